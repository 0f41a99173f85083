"""MinIO's SDK for Python."""

import datetime
import io
import os
import unittest

from buckets import new_name
from minio.commonconfig import GOVERNANCE, ComposeSource, CopySource, Tags
from minio.datatypes import PostPolicy
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.retention import Retention
from minio.sse import SseCustomerKey
from minio.versioningconfig import ENABLED, VersioningConfig
from snippet import coffer, http

MIB = 1024 * 1024


def body_of(answer):
    with answer:
        return answer.read()


class Minio(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bucket = new_name()
        coffer.make_bucket(cls.bucket)

    def read(self, name, **settings):
        return body_of(coffer.get_object(self.bucket, name, **settings))

    def test_a_stream_of_unknown_length_in_parts(self):
        body = os.urandom(11 * MIB)
        coffer.put_object(self.bucket, "stream", io.BytesIO(body), length=-1, part_size=5 * MIB, metadata={"a": "b c"})
        self.assertEqual(self.read("stream"), body)
        self.assertEqual(self.read("stream", offset=5 * MIB - 3, length=6), body[5 * MIB - 3 : 5 * MIB + 3])
        stat = coffer.stat_object(self.bucket, "stream")
        self.assertEqual((stat.size, stat.metadata["x-amz-meta-a"]), (len(body), "b c"))

    def test_objects_are_composed_of_others(self):
        body = os.urandom(5 * MIB)
        coffer.put_object(self.bucket, "first", io.BytesIO(body), len(body))
        coffer.put_object(self.bucket, "second", io.BytesIO(b"end"), 3)
        sources = [ComposeSource(self.bucket, "first"), ComposeSource(self.bucket, "second")]
        coffer.compose_object(self.bucket, "both", sources)
        self.assertEqual(self.read("both"), body + b"end")
        coffer.copy_object(self.bucket, "copy of both", CopySource(self.bucket, "both"))
        self.assertEqual(coffer.stat_object(self.bucket, "copy of both").size, len(body) + 3)

    def test_a_key_of_the_client(self):
        key = SseCustomerKey(os.urandom(32))
        coffer.put_object(self.bucket, "own key", io.BytesIO(b"secret"), 6, sse=key)
        self.assertEqual(self.read("own key", ssec=key), b"secret")
        with self.assertRaises(S3Error) as failure:
            self.read("own key", ssec=SseCustomerKey(os.urandom(32)))
        self.assertEqual(failure.exception.code, "AccessDenied")

    def test_listings_and_removal_of_many(self):
        names = [f"many/{folder}/{n}" for folder in "ab" for n in range(5)]
        for name in names:
            coffer.put_object(self.bucket, name, io.BytesIO(b""), 0)
        self.assertEqual([item.object_name for item in coffer.list_objects(self.bucket, "many/")], ["many/a/", "many/b/"])
        found = [item.object_name for item in coffer.list_objects(self.bucket, "many/", recursive=True)]
        self.assertEqual(found, names)
        self.assertEqual(list(coffer.remove_objects(self.bucket, [DeleteObject(name) for name in names])), [])
        self.assertEqual(list(coffer.list_objects(self.bucket, "many/")), [])

    def test_versions_tags_and_retention(self):
        bucket = new_name()
        coffer.make_bucket(bucket, object_lock=True)
        coffer.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
        until = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=1)
        tags = Tags.new_object_tags()
        tags["team"] = "blue"
        kept = coffer.put_object(bucket, "kept", io.BytesIO(b"1"), 1, tags=tags, retention=Retention(GOVERNANCE, until))
        self.assertEqual(coffer.get_object_tags(bucket, "kept"), {"team": "blue"})
        self.assertEqual(coffer.get_object_retention(bucket, "kept").retain_until_date, until)
        coffer.remove_object(bucket, "kept")
        versions = {version.version_id: version for version in coffer.list_objects(bucket, include_version=True)}
        self.assertEqual((len(versions), versions[kept.version_id].is_delete_marker), (2, False))
        with self.assertRaises(S3Error) as failure:
            coffer.remove_object(bucket, "kept", version_id=kept.version_id)
        self.assertEqual(failure.exception.code, "AccessDenied")

    def test_presigned_urls_and_forms(self):
        put = coffer.presigned_put_object(self.bucket, "by url")
        self.assertEqual(http.request("PUT", put, body=b"by url").status, 200)
        self.assertEqual(http.request("GET", coffer.presigned_get_object(self.bucket, "by url")).data, b"by url")
        policy = PostPolicy(self.bucket, datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5))
        policy.add_starts_with_condition("key", "forms/")
        policy.add_content_length_range_condition(1, 10)
        form = coffer.presigned_post_policy(policy)
        url = coffer.get_presigned_url("GET", self.bucket, "x").split("/x?")[0]
        fields = {**form, "key": "forms/one", "file": ("one", b"by form")}
        self.assertEqual(http.request("POST", url, fields=fields).status, 204)
        self.assertEqual(self.read("forms/one"), b"by form")


if __name__ == "__main__":
    unittest.main()

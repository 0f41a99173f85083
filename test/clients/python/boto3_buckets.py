"""boto3: what a bucket keeps beside bytes: versions, tags, locks, and the conditions of writes."""

import datetime
import unittest

from botocore.exceptions import ClientError
from buckets import code_of, new_bucket
from snippet import s3


class Buckets(unittest.TestCase):
    def test_paginators(self):
        bucket = new_bucket(s3)
        keys = [f"{folder}/{n:02}" for folder in "abc" for n in range(7)]
        for key in keys:
            s3.put_object(Bucket=bucket, Key=key, Body=b"")
        pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 4}))
        self.assertEqual([len(page["Contents"]) for page in pages], [4, 4, 4, 4, 4, 1])
        self.assertEqual([entry["Key"] for page in pages for entry in page["Contents"]], keys)
        folders = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1})
        self.assertEqual([f["Prefix"] for f in folders.search("CommonPrefixes[]")], ["a/", "b/", "c/"])
        deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        self.assertEqual(len(deleted["Deleted"]), len(keys))
        s3.delete_bucket(Bucket=bucket)
        self.assertFalse([b for page in s3.get_paginator("list_buckets").paginate() for b in page["Buckets"] if b["Name"] == bucket])

    def test_versions(self):
        bucket = new_bucket(s3)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        ids = [s3.put_object(Bucket=bucket, Key="page", Body=str(n).encode())["VersionId"] for n in range(3)]
        marker = s3.delete_object(Bucket=bucket, Key="page")
        self.assertTrue(marker["DeleteMarker"])
        with self.assertRaises(ClientError) as failure:
            s3.get_object(Bucket=bucket, Key="page")
        self.assertEqual(code_of(failure), "NoSuchKey")
        self.assertEqual(s3.get_object(Bucket=bucket, Key="page", VersionId=ids[1])["Body"].read(), b"1")
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
        listed = [(v["VersionId"], v["IsLatest"]) for page in pages for v in page.get("Versions", [])]
        self.assertEqual(listed, [(ids[2], False), (ids[1], False), (ids[0], False)])
        s3.delete_object(Bucket=bucket, Key="page", VersionId=marker["VersionId"])
        s3.get_waiter("object_exists").wait(Bucket=bucket, Key="page", WaiterConfig={"Delay": 1, "MaxAttempts": 5})
        self.assertEqual(s3.get_object(Bucket=bucket, Key="page")["VersionId"], ids[2])

    def test_tags(self):
        bucket = new_bucket(s3)
        s3.put_object(Bucket=bucket, Key="tagged", Body=b"", Tagging="team=blue&note=a%20b")
        self.assertEqual(s3.head_object(Bucket=bucket, Key="tagged")["TagCount"], 2)
        tags = [{"Key": "ü", "Value": "+ /="}]
        s3.put_object_tagging(Bucket=bucket, Key="tagged", Tagging={"TagSet": tags})
        self.assertEqual(s3.get_object_tagging(Bucket=bucket, Key="tagged")["TagSet"], tags)
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
        self.assertEqual(s3.get_bucket_tagging(Bucket=bucket)["TagSet"], tags)

    def test_object_lock(self):
        bucket = new_bucket(s3, ObjectLockEnabledForBucket=True)
        until = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=1)
        kept = s3.put_object(
            Bucket=bucket, Key="kept", Body=b"kept", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until
        )["VersionId"]
        head = s3.head_object(Bucket=bucket, Key="kept")
        self.assertEqual((head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]), ("GOVERNANCE", until))
        s3.put_object_legal_hold(Bucket=bucket, Key="kept", LegalHold={"Status": "ON"})
        for bypass in (False, True):
            with self.assertRaises(ClientError) as failure:
                s3.delete_object(Bucket=bucket, Key="kept", VersionId=kept, BypassGovernanceRetention=bypass)
            self.assertEqual(code_of(failure), "AccessDenied")
        s3.put_object_legal_hold(Bucket=bucket, Key="kept", LegalHold={"Status": "OFF"})
        with self.assertRaises(ClientError) as failure:
            s3.delete_object(Bucket=bucket, Key="kept", VersionId=kept)
        self.assertEqual(code_of(failure), "AccessDenied")
        s3.delete_object(Bucket=bucket, Key="kept", VersionId=kept, BypassGovernanceRetention=True)

    def test_conditional_writes(self):
        bucket = new_bucket(s3)
        first = s3.put_object(Bucket=bucket, Key="once", Body=b"1", IfNoneMatch="*")["ETag"]
        with self.assertRaises(ClientError) as failure:
            s3.put_object(Bucket=bucket, Key="once", Body=b"2", IfNoneMatch="*")
        self.assertEqual(code_of(failure), "PreconditionFailed")
        s3.put_object(Bucket=bucket, Key="once", Body=b"2", IfMatch=first)
        for call in (s3.put_object, s3.delete_object):
            with self.assertRaises(ClientError) as failure:
                call(Bucket=bucket, Key="once", IfMatch=first)
            self.assertEqual(code_of(failure), "PreconditionFailed")
        self.assertEqual(s3.get_object(Bucket=bucket, Key="once")["Body"].read(), b"2")
        with self.assertRaises(ClientError) as failure:
            s3.put_object(Bucket=bucket, Key="never", Body=b"", IfMatch=first)
        self.assertEqual(code_of(failure), "NoSuchKey")


if __name__ == "__main__":
    unittest.main()

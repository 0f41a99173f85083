"""boto3: bytes in and out, in parts, in ranges, checked, and without credentials of the reader's own."""

import base64
import hashlib
import io
import os
import unittest
import zlib

import boto3
import urllib3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from buckets import code_of, new_bucket
from snippet import s3

MIB = 1024 * 1024
IN_PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
browser = urllib3.PoolManager(ca_certs=os.environ["AWS_CA_BUNDLE"])


class Transfers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bucket = new_bucket(s3)
        cls.large = os.urandom(17 * MIB + 11)
        s3.upload_fileobj(
            io.BytesIO(cls.large), cls.bucket, "large", Config=IN_PARTS, ExtraArgs={"Metadata": {"from": "boto3"}}
        )

    def test_upload_in_parts_and_download(self):
        head = s3.head_object(Bucket=self.bucket, Key="large", ChecksumMode="ENABLED")
        self.assertEqual(head["ContentLength"], len(self.large))
        self.assertTrue(head["ETag"].endswith('-4"'))
        self.assertEqual(head["Metadata"], {"from": "boto3"})
        back = io.BytesIO()
        s3.download_fileobj(self.bucket, "large", back, Config=IN_PARTS)
        self.assertEqual(hashlib.sha256(back.getvalue()).digest(), hashlib.sha256(self.large).digest())

    def test_copy_in_parts(self):
        s3.copy({"Bucket": self.bucket, "Key": "large"}, self.bucket, "copied", Config=IN_PARTS)
        self.assertEqual(s3.get_object(Bucket=self.bucket, Key="copied")["Body"].read(), self.large)

    def test_ranges_and_parts(self):
        def part(**settings):
            return s3.get_object(Bucket=self.bucket, Key="large", **settings)

        self.assertEqual(part(Range="bytes=5242870-5242889")["Body"].read(), self.large[5242870:5242890])
        self.assertEqual(part(Range="bytes=-7")["Body"].read(), self.large[-7:])
        last = part(PartNumber=4)
        self.assertEqual(last["PartsCount"], 4)
        self.assertEqual(last["Body"].read(), self.large[15 * MIB :])
        with self.assertRaises(ClientError) as failure:
            part(Range="bytes=99999999-")
        self.assertEqual(code_of(failure), "InvalidRange")

    def test_a_body_of_unknown_length_is_read_as_lines(self):
        s3.put_object(Bucket=self.bucket, Key="lines", Body="".join(f"line {n}\n" for n in range(10_000)).encode())
        lines = [line for line in s3.get_object(Bucket=self.bucket, Key="lines")["Body"].iter_lines()]
        self.assertEqual((len(lines), lines[-1]), (10_000, b"line 9999"))

    def test_the_checksum_that_boto3_sends_by_itself_is_kept(self):
        body = os.urandom(1000)
        crc32 = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        self.assertEqual(s3.put_object(Bucket=self.bucket, Key="checked", Body=body)["ChecksumCRC32"], crc32)
        head = s3.head_object(Bucket=self.bucket, Key="checked", ChecksumMode="ENABLED")
        self.assertEqual((head["ChecksumCRC32"], head["ChecksumType"]), (crc32, "FULL_OBJECT"))

    def test_a_wrong_checksum_is_refused(self):
        once = boto3.client("s3", config=Config(retries={"total_max_attempts": 1}))
        sha256_of_other = base64.b64encode(bytes(32)).decode()
        with self.assertRaises(ClientError) as failure:
            once.put_object(Bucket=self.bucket, Key="wrong", Body=b"right", ChecksumSHA256=sha256_of_other)
        self.assertEqual(code_of(failure), "BadDigest")

    def test_presigned_urls(self):
        at = {"Bucket": self.bucket, "Key": "signed/ü & +.txt"}
        put = s3.generate_presigned_url("put_object", Params={**at, "ContentType": "text/plain"}, ExpiresIn=600)
        self.assertEqual(browser.request("PUT", put, body=b"by url", headers={"Content-Type": "text/plain"}).status, 200)
        self.assertEqual(browser.request("PUT", put, body=b"by url", headers={"Content-Type": "text/html"}).status, 403)
        get = s3.generate_presigned_url("get_object", Params={**at, "ResponseContentType": "text/x-other"}, ExpiresIn=600)
        answer = browser.request("GET", get)
        self.assertEqual((answer.data, answer.headers["Content-Type"]), (b"by url", "text/x-other"))
        self.assertEqual(browser.request("GET", get.replace("x-other", "x-another")).status, 403)

    def test_urls_of_the_old_signature_are_refused(self):
        of_sdk = boto3.client("s3").generate_presigned_url("get_object", Params={"Bucket": self.bucket, "Key": "large"})
        answer = browser.request("GET", of_sdk)
        self.assertEqual(answer.status, 400)
        self.assertIn(b"Please use AWS4-HMAC-SHA256", answer.data)

    def test_presigned_forms(self):
        form = s3.generate_presigned_post(
            self.bucket,
            "forms/${filename}",
            Fields={"acl": "private"},
            Conditions=[{"acl": "private"}, ["content-length-range", 1, 100]],
            ExpiresIn=600,
        )

        def send(body):
            fields = {**form["fields"], "file": ("a name.txt", body)}
            return browser.request("POST", form["url"], fields=fields)

        self.assertEqual(send(b"by form").status, 204)
        self.assertEqual(s3.get_object(Bucket=self.bucket, Key="forms/a name.txt")["Body"].read(), b"by form")
        too_large = send(bytes(101))
        self.assertEqual(too_large.status, 400)
        self.assertIn(b"<Code>EntityTooLarge</Code>", too_large.data)


if __name__ == "__main__":
    unittest.main()

"""boto3: who may read, and under which key: SSE-C, SSE-KMS, and the KMS, IAM and STS clients."""

import io
import json
import os
import unittest

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from buckets import code_of, new_bucket, new_name
from snippet import iam, kms, s3, sts

MIB = 1024 * 1024


class Keys(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bucket = new_bucket(s3)

    def test_a_key_of_the_client(self):
        key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
        body = os.urandom(6 * MIB)
        in_parts = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
        s3.upload_fileobj(io.BytesIO(body), self.bucket, "own key", ExtraArgs=key, Config=in_parts)
        back = io.BytesIO()
        s3.download_fileobj(self.bucket, "own key", back, ExtraArgs=key, Config=in_parts)
        self.assertEqual(back.getvalue(), body)
        with self.assertRaises(ClientError) as failure:
            s3.get_object(Bucket=self.bucket, Key="own key")
        self.assertEqual(code_of(failure), "InvalidRequest")
        other = {**key, "SSECustomerKey": os.urandom(32)}
        with self.assertRaises(ClientError) as failure:
            s3.get_object(Bucket=self.bucket, Key="own key", **other)
        self.assertEqual(code_of(failure), "AccessDenied")

    def test_a_key_of_the_kms(self):
        key = kms.create_key(Description="for objects of boto3")["KeyMetadata"]
        put = s3.put_object(
            Bucket=self.bucket, Key="kms", Body=b"paid", ServerSideEncryption="aws:kms", SSEKMSKeyId=key["KeyId"],
            BucketKeyEnabled=True,
        )
        self.assertEqual(put["ServerSideEncryption"], "aws:kms")
        got = s3.get_object(Bucket=self.bucket, Key="kms")
        self.assertEqual((got["Body"].read(), got["SSEKMSKeyId"], got["BucketKeyEnabled"]), (b"paid", key["KeyId"], True))
        kms.disable_key(KeyId=key["KeyId"])
        with self.assertRaises(ClientError) as failure:
            s3.put_object(Bucket=self.bucket, Key="late", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId=key["KeyId"])
        self.assertEqual(code_of(failure), "KMS.DisabledException")

    def test_an_envelope_of_the_kms_client(self):
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        context = {"tenant": "a"}
        data_key = kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=context)
        opened = kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"], EncryptionContext=context)
        self.assertEqual(opened["Plaintext"], data_key["Plaintext"])
        with self.assertRaises(kms.exceptions.InvalidCiphertextException):
            kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"], EncryptionContext={"tenant": "b"})

    def test_a_user_with_a_policy(self):
        name = new_name()
        iam.create_user(UserName=name)
        allowed = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{self.bucket}/open/*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        iam.put_user_policy(UserName=name, PolicyName="read", PolicyDocument=policy)
        access_key = iam.create_access_key(UserName=name)["AccessKey"]
        session = boto3.Session(access_key["AccessKeyId"], access_key["SecretAccessKey"])
        self.assertTrue(session.client("sts").get_caller_identity()["Arn"].endswith(f":user/{name}"))
        s3.put_object(Bucket=self.bucket, Key="open/door", Body=b"come in")
        self.assertEqual(session.client("s3").get_object(Bucket=self.bucket, Key="open/door")["Body"].read(), b"come in")
        with self.assertRaises(ClientError) as failure:
            session.client("s3").put_object(Bucket=self.bucket, Key="open/door", Body=b"")
        self.assertEqual(code_of(failure), "AccessDenied")

    def test_a_role_taken_by_the_sts_client(self):
        name = new_name()
        account = sts.get_caller_identity()["Account"]
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": trust})
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
        iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
        user = new_name()
        iam.create_user(UserName=user)
        may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role["Arn"]}
        iam.put_user_policy(
            UserName=user, PolicyName="assume", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": may})
        )
        access_key = iam.create_access_key(UserName=user)["AccessKey"]
        of_user = boto3.Session(access_key["AccessKeyId"], access_key["SecretAccessKey"]).client("sts")
        taken = of_user.assume_role(RoleArn=role["Arn"], RoleSessionName="boto3")["Credentials"]
        session = boto3.Session(taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"])
        self.assertIn("Buckets", session.client("s3").list_buckets())
        with self.assertRaises(ClientError) as failure:
            session.client("s3").create_bucket(Bucket=new_name())
        self.assertEqual(code_of(failure), "AccessDenied")


if __name__ == "__main__":
    unittest.main()

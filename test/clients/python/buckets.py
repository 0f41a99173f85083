"""What the suites of this folder share. The clients themselves are made by the code of docs/clients.md, as the module `snippet`."""

import uuid


def new_name():
    return f"py-{uuid.uuid4().hex[:16]}"


def new_bucket(s3, **settings):
    bucket = new_name()
    s3.create_bucket(Bucket=bucket, **settings)
    return bucket


def code_of(failure):
    return failure.exception.response["Error"]["Code"]

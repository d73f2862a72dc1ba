"""The stores that the bucket contract runs against."""

import functools
import uuid
from pathlib import Path

from obstore.store import ObjectStore

from burstlens.aws.options import AwsOptions, Encryption
from burstlens.aws.s3 import open_s3
from burstlens.aws.session import AwsSession, call_blocking
from burstlens.buckets import Bucket, Buckets, open_store
from support.aws_doubles import REGION, Doubles

STORES = ("memory", "file", "moto", "ministack")
BUCKET = "burstlens-test"


def session_on(url: str) -> AwsSession:
    return AwsSession(AwsOptions(endpoint=url, region=REGION))


@functools.cache
def made(url: str, bucket: str = BUCKET) -> str:
    """The bucket, which is there from now on."""
    where = {"LocationConstraint": REGION}
    call_blocking(session_on(url).client("s3"), "create_bucket", Bucket=bucket, CreateBucketConfiguration=where)
    return bucket


def s3(url: str, folder: str = "", encryption: Encryption = Encryption.BUCKET, kms_key: str = "") -> ObjectStore:
    """A store in a bucket that is there, in a folder that nobody else uses unless it is named."""
    return open_s3(f"s3://{made(url)}/{folder or uuid.uuid4().hex}", session_on(url), encryption, kms_key)


def buckets_of(store: str, folder: Path, doubles: Doubles) -> Buckets:
    """Three empty buckets of this kind."""
    names = ("inputs", "outputs", "fleet")
    if store == "memory":
        stores = [open_store("memory:///") for _ in names]
    elif store == "file":
        stores = [open_store((folder / "with space" / name).as_uri()) for name in names]
    else:
        stores = [s3(doubles.by_name(store).url) for _ in names]
    inputs, outputs, fleet = map(Bucket, stores)
    return Buckets(inputs, outputs, fleet)

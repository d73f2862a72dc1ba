"""The fleet's bucket as the images use it: wheels and a builder's word, in S3 itself."""

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from burstlens.aws.session import AwsSession, call
from burstlens.errors import Misconfigured, NotFound
from burstlens.settings import Settings

if TYPE_CHECKING:
    from botocore.client import BaseClient


class FleetBucket:
    """The bucket of the settings.

    Raises:
        Misconfigured: on creation, when the settings name none in S3.
    """

    def __init__(self, session: AwsSession, settings: Settings) -> None:
        buckets = settings.buckets
        parts = urlsplit(buckets.fleet)
        if parts.scheme != "s3" or not parts.netloc:
            message = (
                f"buckets.fleet is {buckets.fleet!r}, not s3://…: `burstlens deploy aws up` makes one and names it"
            )
            raise Misconfigured(message)
        self.name = parts.netloc
        self.prefix = f"{path}/" if (path := parts.path.strip("/")) else ""
        """Of every key: empty, or ends with ``/``."""
        self.encryption = {"ServerSideEncryption": str(buckets.encryption)} if buckets.encryption else {}
        """Parameters of PutObject."""
        if self.encryption and buckets.kms_key:
            self.encryption["SSEKMSKeyId"] = buckets.kms_key
        self._s3: BaseClient = session.client("s3")

    async def upload(self, key: str, content: bytes) -> None:
        """Write it, unless it is there: the key must be addressed by content."""
        if await self.size(key) is not None:
            return
        where = {"Bucket": self.name, "Key": key}
        try:
            await call(self._s3, "put_object", **where, Body=content, IfNoneMatch="*", **self.encryption)
        except Misconfigured:
            if await self.size(key) is None:
                raise

    async def read(self, key: str) -> str | None:
        """A small text; None when there is none."""
        try:
            answer = await call(self._s3, "get_object", Bucket=self.name, Key=key)
        except NotFound:
            return None
        content: bytes = await asyncio.to_thread(answer["Body"].read)
        return content.decode(errors="replace")

    async def size(self, key: str) -> int | None:
        """Bytes; None when there is no such object."""
        found = await call(self._s3, "list_objects_v2", Bucket=self.name, Prefix=key, MaxKeys=1)
        return next((item["Size"] for item in found.get("Contents", ()) if item["Key"] == key), None)

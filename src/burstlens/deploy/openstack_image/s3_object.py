"""An object of S3 as a file: fetched in ranges, each of which may break off and is asked for again, then compared."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from burstlens.aws.session import AwsSession, call_blocking
from burstlens.deploy.openstack_image.file import CHUNK_BYTES, Progress
from burstlens.errors import Misconfigured, NotFound, Throttled, Unavailable

if TYPE_CHECKING:
    from botocore.client import BaseClient

_RANGE_BYTES = 64 << 20
_ATTEMPTS = 5
"""Of one range, beside those of botocore, which ends its care with the header of an answer."""
_PAUSE_SECONDS = 1.0
_SUFFIX = ".sha256"
_SMALL_BYTES = 4096


class S3Object:
    """One object, as it was when this was created: nothing else is read, should it be replaced meanwhile.

    Args:
        session: who asks.
        url: ``s3://BUCKET/KEY``.

    Raises:
        Misconfigured: on creation, when that is no address of an object.
        NotFound: there is none.
    """

    def __init__(self, session: AwsSession, url: str) -> None:
        parts = urlsplit(url, allow_fragments=False)
        self.url = url
        self._where = {"Bucket": parts.netloc, "Key": parts.path.removeprefix("/")}
        if parts.scheme != "s3" or not all(self._where.values()) or parts.query:
            message = f"{url!r} is not the address of an object, s3://BUCKET/KEY"
            raise Misconfigured(message)
        self._s3: BaseClient = session.client("s3")
        head = self._ask("head_object")
        self.size: int = head["ContentLength"]
        self._etag: str = head["ETag"]
        # With a key of KMS, or of the caller, an ETag is no digest.
        keyed = head.get("ServerSideEncryption", "AES256") != "AES256" or "SSECustomerAlgorithm" in head
        self._digest = "" if keyed else self._etag.strip('"')

    @classmethod
    def is_address(cls, text: str) -> bool:
        """Whether this names an object, and not a file."""
        return text.startswith("s3:")

    def fetch(self, path: Path, say: Callable[[str], None]) -> None:
        """Write all of it to a file.

        Raises:
            Unavailable: it does not come, has been replaced meanwhile, or is not what S3 says that it is.
        """
        progress = Progress("fetched", self.size, say)
        with path.open("wb") as file:
            while (at := file.tell()) < self.size:
                self._fetch_range(file, at, progress)
        if self._digest and self._own_digest(path) != self._digest:
            message = f"{self.url}: what came is not what S3 has (ETag {self._digest}); import it again"
            raise Unavailable(message)

    def sha256(self) -> str | None:
        """What the object beside it says, ``KEY.sha256``, in the form of sha256sum; None when there is none."""
        key = self._where["Key"] + _SUFFIX
        try:
            answer = self._ask("get_object", Key=key, Range=f"bytes=0-{_SMALL_BYTES}")
        except NotFound:
            return None
        return self._read(answer["Body"], _SMALL_BYTES).decode(errors="replace")

    def _fetch_range(self, file: Any, at: int, progress: Progress) -> None:  # noqa: ANN401 - a file
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._append(file, min(at + _RANGE_BYTES, self.size), progress)
            except (Throttled, Unavailable):
                if attempt == _ATTEMPTS:
                    raise
                time.sleep(_PAUSE_SECONDS * attempt)
            else:
                return

    def _append(self, file: Any, end: int, progress: Progress) -> None:  # noqa: ANN401 - a file
        """Go on where the file ends, up to `end`; what has come before it breaks off is kept."""
        body = self._ask("get_object", Range=f"bytes={file.tell()}-{end - 1}", IfMatch=self._etag)["Body"]
        while data := self._read(body, CHUNK_BYTES):
            file.write(data)
            progress.add(len(data))
        if file.tell() != end:
            message = f"{self.url}: the transfer ended too soon"
            raise Unavailable(message)

    def _read(self, body: Any, count: int) -> bytes:  # noqa: ANN401 - botocore's own
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        try:
            data: bytes = body.read(count)
        except (BotoCoreError, HTTPError, OSError) as error:
            message = f"{self.url}: the transfer broke off: {error}"
            raise Unavailable(message) from error
        return data

    def _own_digest(self, path: Path) -> str:
        """What the ETag of this file would be: MD5, or MD5 of its parts' MD5s and their number."""
        _, dash, count = self._digest.partition("-")
        sizes = [self._part(number) for number in range(1, int(count) + 1)] if dash else [self.size]
        parts = []
        with path.open("rb") as file:
            for size in sizes:
                part = hashlib.md5(usedforsecurity=False)
                left = size
                while left and (data := file.read(min(left, CHUNK_BYTES))):
                    part.update(data)
                    left -= len(data)
                parts.append(part)
        if not dash:
            return parts[0].hexdigest()
        whole = hashlib.md5(b"".join(part.digest() for part in parts), usedforsecurity=False)
        return f"{whole.hexdigest()}-{count}"

    def _part(self, number: int) -> int:
        """Bytes of one part as it was uploaded."""
        size: int = self._ask("head_object", PartNumber=number)["ContentLength"]
        return size

    def _ask(self, operation: str, **parameters: object) -> Any:  # noqa: ANN401 - AWS's own shapes
        return call_blocking(self._s3, operation, **{**self._where, **parameters})

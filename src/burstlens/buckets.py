"""Where images and results live, over obstore (``file://``, ``memory://``, ``s3://`` …).

Every request has one *home* for its image and one for its result, both keyed by its id; the result's home is written
with a conditional create, so it is written once however often the request is delivered. With the layout `id` the homes
are the input and the output bucket. With `filename`, the layout of the course deployments (input key ``test_0.JPEG``,
output key ``test_0`` holding ``(test_0, bathtub)``), two uploads may share a name, so the homes are in the fleet bucket
and the input and output buckets hold the latest of each name.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from obstore import sign_async
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store, from_url

from burstlens.errors import Misconfigured, NotFound
from burstlens.messages import MalformedMessage, Request, Result, UnknownResultVersion
from burstlens.store_errors import first_line, translated

_LONGEST_KEY_BYTES = 200
"""Of a key made from a file name; file systems allow 255 bytes."""


class Layout(StrEnum):
    """How the input and the output bucket name their objects."""

    ID = "id"
    FILENAME = "filename"


def open_store(url: str) -> ObjectStore:
    """Open the bucket at `url`; a ``file://`` folder is made when it is missing.

    Raises:
        Misconfigured: the URL names no kind of bucket that is known.
    """
    parts = urlsplit(url)
    try:
        if parts.scheme == "file":
            return LocalStore(Path(url2pathname(parts.path)), mkdir=True)
        # Who writes http:// means it; everything else is encrypted on its way.
        return from_url(url, client_options={"allow_http": True}) if parts.scheme == "http" else from_url(url)
    except (BaseError, ValueError, OSError) as error:
        message = f"cannot open the bucket {url!r}: {first_line(error)}"
        raise Misconfigured(message) from error


class Bucket:
    """One bucket: whole objects by key, with the errors of `burstlens.errors`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, key: str, data: bytes) -> None:
        """Write the object, replacing what was there; atomic."""
        await self._put(key, data, "overwrite")

    async def create(self, key: str, data: bytes) -> bool:
        """Write the object unless one is there; return whether this call wrote it. Atomic among all processes.

        Over a network, False may also mean that this call wrote it and had to repeat itself, as the answer was lost.
        """
        try:
            await self._put(key, data, "create")
        except AlreadyExistsError:
            return False
        return True

    async def get(self, key: str) -> bytes:
        """Read the object.

        Raises:
            NotFound: there is none.
        """
        with translated(key):
            response = await self._store.get_async(key)
            return bytes(await response.bytes_async())

    async def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        try:
            with translated(key):
                await self._store.head_async(key)
        except NotFound:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Delete the object; deleting what is not there is fine."""
        with contextlib.suppress(NotFound), translated(key):
            await self._store.delete_async(key)

    async def link(self, key: str, seconds: float) -> str | None:
        """A link that anybody may read the object by for so long; None where the store has none (files, memory).

        On S3 it ends with the credentials that signed it, if that is earlier (those of an instance: within hours).
        Nobody is asked whether there is such an object.
        """
        if not isinstance(self._store, S3Store | GCSStore | AzureStore):
            return None
        with translated(key):
            return await sign_async(self._store, "GET", key, timedelta(seconds=seconds))

    async def list_keys(self, prefix: str = "") -> AsyncIterator[str]:
        """The keys below the folder `prefix`, in no order."""
        with translated(prefix):
            async for batch in self._store.list(prefix=prefix or None):
                for meta in batch:
                    yield meta["path"]

    async def _put(self, key: str, data: bytes, mode: Literal["create", "overwrite"]) -> None:
        with translated(key):
            # In one call, however large: parts need further permissions, and leave rubbish when the process dies.
            await self._store.put_async(key, data, mode=mode, use_multipart=False)


class Buckets:
    """The input, output and fleet bucket of one lane.

    Every call raises `NotAuthorized` or `Unavailable` when the store does.
    """

    def __init__(self, inputs: Bucket, outputs: Bucket, fleet: Bucket, layout: Layout = Layout.ID) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.fleet = fleet
        self.layout = layout

    async def put_input(self, request_id: str, image: bytes) -> str:
        """Keep an image before its request is sent, and return its key: the claim check."""
        key = self.input_key(request_id)
        await self._input_home.create(key, image)
        return key

    async def get_input(self, request: Request) -> bytes:
        """The image of a request that carries a claim check.

        Raises:
            NotFound: there is no such object, or the key is not this request's own (a forged message reads nothing).
        """
        if request.input_key != self.input_key(request.id):
            message = f"the input key of request {request.id} is not its own"
            raise NotFound(message)
        return await self._input_home.get(request.input_key)

    async def has_input(self, request_id: str) -> bool:
        """Whether the image of this request is kept."""
        return await self._input_home.exists(self.input_key(request_id))

    async def input_link(self, request_id: str, seconds: float) -> str | None:
        """A link to the image of this request, as `Bucket.link` has it, for as long as `has_input` holds."""
        return await self._input_home.link(self.input_key(request_id), seconds)

    @property
    def keeps_for_redrive(self) -> bool:
        """Whether a dead letter has an image of its own; the input bucket's objects are the user's, and stay."""
        return self.layout is Layout.FILENAME

    async def forget_dead(self, request_id: str) -> None:
        """Delete what is kept only for the day when this dead letter is redriven; may be repeated."""
        if self.keeps_for_redrive:
            await self._input_home.delete(self.input_key(request_id))

    async def get_result(self, request_id: str) -> Result | None:
        """The result of this request, once there is one.

        Raises:
            MalformedMessage: it is damaged, or of a version that is not known here.
        """
        try:
            return Result.parse(await self._result_home.get(self._result_key(request_id)))
        except NotFound:
            return None

    async def put_result(self, request: Request, image: bytes | None, result: Result) -> Result:
        """Keep image and result of a finished request; return the result that counts, as `create_result` has it.

        May be repeated after dying at any point: the result's home is written last, so a result that exists has
        everything else in place. A dead letter's image stays where a redriven request will look for it.
        """
        if self.layout is Layout.ID:
            if image is not None and request.input_key is None:
                await self.inputs.create(self.input_key(request.id), image)
            return await self.create_result(result)
        await self._project(request, image, result)
        kept = await self.create_result(result)
        if kept != result:
            await self._project(request, None, kept)
        if not kept.is_dead_letter:
            await self.fleet.delete(self.input_key(request.id))
        return kept

    async def create_result(self, result: Result) -> Result:
        """Write the result's home, once; return the result that counts.

        One that is there counts, unless it is damaged (the file store does not wait for the disk, so a power cut may
        leave it empty) or a dead letter's. One of a later version stays as it is.
        """
        key, data = self._result_key(result.id), result.to_json().encode()
        if await self._result_home.create(key, data):
            return result
        try:
            kept = await self.get_result(result.id)
        except UnknownResultVersion:
            return result
        except MalformedMessage:
            kept = None
        if kept is not None and (result.is_dead_letter or not kept.is_dead_letter):
            return kept
        await self._result_home.put(key, data)
        return result

    def input_key(self, request_id: str) -> str:
        """Where the image of this request is kept, in the home of images."""
        return request_id if self.layout is Layout.ID else f"inputs/{request_id}"

    def _result_key(self, request_id: str) -> str:
        return f"{request_id}.json" if self.layout is Layout.ID else f"results/{request_id}.json"

    @property
    def _input_home(self) -> Bucket:
        return self.inputs if self.layout is Layout.ID else self.fleet

    @property
    def _result_home(self) -> Bucket:
        return self.outputs if self.layout is Layout.ID else self.fleet

    async def _project(self, request: Request, image: bytes | None, result: Result) -> None:
        """Write the course layout's objects: the latest image and label of a file name."""
        name = _as_key(request.filename)
        stem = PurePosixPath(name).stem
        writes = [self.outputs.put(stem, f"({stem}, {result.label or 'error'})".encode())]
        if image is not None:
            writes.append(self.inputs.put(name, image))
        await asyncio.gather(*writes)


def _as_key(filename: str) -> str:
    """A file name as one key segment.

    ``#1`` at the end of a key is reserved by the file store, which also needs room for a suffix in a file's name.
    """
    key = filename.replace("/", "_").replace("#", "%23")
    if len(key.encode()) <= _LONGEST_KEY_BYTES and key.strip("."):
        return key
    return hashlib.sha256(filename.encode()).hexdigest() + PurePosixPath(key).suffix[:10].rstrip(".")

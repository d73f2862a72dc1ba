"""The places that model files lie in: a folder, a bucket, or a repository of the Hugging Face hub."""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from burstlens.aws.options import AwsOptions
from burstlens.errors import Misconfigured, NotFound, Unavailable
from burstlens.recognition.cache import default_cache, file_sha256, kept
from burstlens.recognition.manifest import Manifest

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MAX_COMPANION_BYTES = 10 * 2**20
"""Of a manifest, a list of labels or a known picture: far more than any of them needs."""

MAX_MODEL_BYTES = 2 * 2**30
"""Of a model that comes over a network: protobuf, hence an ``.onnx`` file that is whole in itself, ends there, too."""

CHUNK_BYTES = 2**20
"""How much of a model is read at a time."""


class Origin(Protocol):
    """A place where a model's files lie side by side."""

    def read(self, name: str) -> bytes:
        """The content of a small file. Blocks.

        Raises:
            NotFound: there is no such file.
            Misconfigured, Unavailable: it cannot be read.
        """

    def model(self, name: str, manifest: Manifest, cache: Path | None) -> tuple[Path, str]:
        """The ``.onnx`` file on this machine, and its sha256. Blocks.

        Raises:
            NotFound: there is no such file.
            Misconfigured: it is not the file that the manifest means, or cannot be kept in the cache.
            Unavailable: it cannot be fetched now.
        """

    def where(self, name: str) -> str:
        """How people call this file."""


class Folder:
    """A folder of this machine: files are used where they lie."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str) -> bytes:
        """See `Origin`."""
        with self._reading(name):
            return (self._path / name).read_bytes()

    def model(self, name: str, manifest: Manifest, cache: Path | None) -> tuple[Path, str]:
        """See `Origin`."""
        del cache
        file = self._path / name
        with self._reading(name):
            found = file_sha256(file)
        if manifest.sha256 not in ("", found):
            message = f"{file} has the sha256 {found}; its manifest says {manifest.sha256}"
            raise Misconfigured(message)
        return file, found

    def where(self, name: str) -> str:
        """See `Origin`."""
        return str(self._path / name)

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            message = f"there is no file {self.where(name)}"
            raise NotFound(message) from None
        except OSError as error:
            message = f"{self.where(name)} cannot be read: {error.strerror}"
            raise Misconfigured(message) from error


class BucketFolder:
    """A folder of a bucket, over obstore."""

    def __init__(self, url: str, aws: AwsOptions) -> None:
        self._url = url
        self._store = _open_store(url, aws)

    def read(self, name: str) -> bytes:
        """See `Origin`."""
        return b"".join(_bounded(self._chunks(name), MAX_COMPANION_BYTES, self.where(name)))

    def model(self, name: str, manifest: Manifest, cache: Path | None) -> tuple[Path, str]:
        """See `Origin`."""
        return fetched(name, manifest, cache, self.where(name), lambda: self._chunks(name))

    def where(self, name: str) -> str:
        """See `Origin`."""
        return f"{self._url}/{name}"

    def _chunks(self, name: str) -> Iterator[bytes]:
        from obstore.exceptions import BaseError

        try:
            for chunk in self._store.get(name).stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)
        except FileNotFoundError:  # what obstore raises derives from it
            message = f"there is no {self.where(name)}"
            raise NotFound(message) from None
        except (BaseError, OSError) as error:
            message = f"{self.where(name)} cannot be fetched: {str(error).partition(chr(10))[0]}"
            raise Unavailable(message) from error


def _open_store(url: str, aws: AwsOptions) -> "ObjectStore":
    if not url.startswith("s3:"):
        from burstlens.buckets import open_store

        return open_store(url)
    from burstlens.aws.s3 import open_s3
    from burstlens.aws.session import AwsSession

    return open_s3(url, AwsSession(aws))


def fetched(
    name: str, manifest: Manifest, cache: Path | None, where: str, fetch: Callable[[], Iterator[bytes]]
) -> tuple[Path, str]:
    """The file in the cache, fetched unless it is there; only what has the manifest's sha256 gets in.

    Raises:
        Misconfigured: the manifest does not say the sha256, or another one, or the file is beyond `MAX_MODEL_BYTES`.
    """

    def bounded() -> Iterator[bytes]:
        return _bounded(fetch(), MAX_MODEL_BYTES, where)

    if not manifest.sha256:
        found = hashlib.sha256()
        for chunk in bounded():
            found.update(chunk)
        message = (
            f"{where} came over a network and its manifest does not say its sha256; "
            f'if you trust what is there now, add: sha256 = "{found.hexdigest()}"'
        )
        raise Misconfigured(message)
    stem = re.sub(r"[^A-Za-z0-9._-]", "-", name.removesuffix(".onnx"))[-100:]
    return kept(cache or default_cache(), stem, bounded, manifest.sha256)


def _bounded(chunks: Iterator[bytes], limit: int, where: str) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limit:
            message = f"{where} has more than {limit:,} bytes"
            raise Misconfigured(message)
        yield chunk

"""Models from the Hugging Face hub, through its own client (the extra `hub`)."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

from burstlens.errors import Misconfigured, NotFound, Unavailable
from burstlens.recognition.cache import default_cache
from burstlens.recognition.manifest import Manifest
from burstlens.recognition.origins import CHUNK_BYTES, MAX_COMPANION_BYTES, MAX_MODEL_BYTES, fetched

_ABANDONED_SECONDS = 24 * 3600.0
"""A download that is older is taken for dead: at most `MAX_MODEL_BYTES` in a day is 25 kB a second."""

_SCHEME = "hf://"


class Hub:
    """A folder of one revision of a repository; see `burstlens.recognition.origins.Origin` for the contract."""

    def __init__(self, repository: str, revision: str, folder: str, cache: Path | None) -> None:
        self._repository = repository
        self._revision = revision
        self._folder = folder
        self._cache = cache or default_cache()

    @classmethod
    def parse(cls, url: str, cache: Path | None) -> tuple[Self, str]:
        """The origin and the file's name in ``hf://OWNER/REPO[@REVISION]/[FOLDER/]FILE``.

        Raises:
            Misconfigured: the URL has another form.
        """
        owner, _, rest = url.removeprefix(_SCHEME).partition("/")
        repository, _, path = rest.partition("/")
        repository, _, revision = repository.partition("@")
        folder, _, name = path.rpartition("/")
        if not (owner and repository and name):
            message = f"{url!r} is no file of the hub; write hf://OWNER/REPO/FILE or hf://OWNER/REPO@REVISION/FILE"
            raise Misconfigured(message)
        return cls(f"{owner}/{repository}", revision or "main", folder, cache), name

    def read(self, name: str) -> bytes:
        """See `Origin`. The client keeps such files in the cache, and uses them when the hub does not answer."""
        return self._download(name, MAX_COMPANION_BYTES, cache_dir=self._cache / "hub").read_bytes()

    def model(self, name: str, manifest: Manifest, cache: Path | None) -> tuple[Path, str]:
        """See `Origin`."""
        return fetched(name, manifest, cache, self.where(name), lambda: self._chunks(name))

    def where(self, name: str) -> str:
        """See `Origin`."""
        path = f"{self._folder}/{name}" if self._folder else name
        return f"{_SCHEME}{self._repository}@{self._revision}/{path}"

    def _chunks(self, name: str) -> Iterator[bytes]:
        self._cache.mkdir(parents=True, exist_ok=True)
        for leftover in self._cache.glob(".hub-*"):  # of a process that was killed while it fetched
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                if time.time() - leftover.stat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(leftover, ignore_errors=True)
        with (
            tempfile.TemporaryDirectory(prefix=".hub-", dir=self._cache) as folder,
            self._download(name, MAX_MODEL_BYTES, local_dir=Path(folder)).open("rb") as file,
        ):
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def _download(self, name: str, limit: int, **place: Path) -> Path:
        with _translated(self.where(name)) as hf_hub_download:
            download = partial(
                hf_hub_download,
                self._repository,
                f"{self._folder}/{name}" if self._folder else name,
                revision=self._revision,
                library_name="burstlens",
                **place,
            )
            # Before it is here: what does not fit must not fill the disk.
            if download(dry_run=True).file_size > limit:
                message = f"{self.where(name)} has more than {limit:,} bytes"
                raise Misconfigured(message)
            return Path(download())


@contextmanager
def _translated(where: str) -> Iterator[Any]:
    """The client's download function; its errors become ours."""
    # Nothing here calls home, and progress bars and retries are no lines of a log.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    # Plain HTTP is the way that is tested; the other gains on files far larger than a classifier.
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    try:
        from huggingface_hub import errors, hf_hub_download
    except ModuleNotFoundError as error:
        message = "models from the hub need its client: pip install 'burstlens[hub]'"
        raise Misconfigured(message) from error
    try:
        yield hf_hub_download
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError) as error:
        message = f"there is no {where}, or it is not for you ($HF_TOKEN says who you are)"
        raise NotFound(message) from error
    except errors.HFValidationError as error:
        message = f"{where}: {_first_line(error)}"
        raise Misconfigured(message) from error
    # The base of the HTTP library's errors, which is another library since version 2 of the client.
    except (errors.HTTPError, OSError) as error:  # type: ignore[attr-defined]  # not re-exported by name
        message = f"{where} cannot be fetched: {_first_line(error)}"
        raise Unavailable(message) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]

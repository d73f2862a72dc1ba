"""The folder that keeps models, shared by every process of the machine.

A file's name ends in its own sha256. One rename thus publishes the file together with what proves it whole: a torn or
damaged file does not match its name and is made anew.
"""

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from burstlens.errors import Misconfigured


def default_cache() -> Path:
    """$BURSTLENS_CACHE, else ``burstlens`` in $XDG_CACHE_HOME, else in ``~/.cache`` (XDG Base Directory 0.8).

    Raises:
        Misconfigured: neither is set, and the user has no home folder.
    """
    if own := os.environ.get("BURSTLENS_CACHE"):
        return Path(own)
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The specification has relative paths ignored.
    if shared.is_absolute():
        return shared / "burstlens"
    try:
        return Path.home() / ".cache" / "burstlens"
    except RuntimeError as error:
        message = "there is no home folder to keep the model in; set BURSTLENS_CACHE to a folder that can be written"
        raise Misconfigured(message) from error


def kept(folder: Path, stem: str, make: Callable[[], Iterable[bytes]], sha256: str = "") -> tuple[Path, str]:
    """The file ``STEM-SHA256.onnx`` of the folder and its sha256; if it is not there, `make` gives its content.

    With `sha256`, only that content will do. Any number of processes may ask at once: one makes the file, the others
    wait for it. The file is whole when it is returned; a folder that cannot be written serves as long as it holds it.

    Raises:
        Misconfigured: the folder cannot be used, or what `make` gave is not what it should be.
    """
    try:
        return _find(folder, stem, sha256) or _make(folder, stem, make, sha256)
    except OSError as error:
        message = (
            f"the model cache {folder} cannot be used ({error.strerror or error}); "
            "set BURSTLENS_CACHE to a folder that can be written"
        )
        raise Misconfigured(message) from error


def file_sha256(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _find(folder: Path, stem: str, sha256: str) -> tuple[Path, str] | None:
    """The cached file whose content matches its name."""
    for path in sorted(folder.glob(f"{stem}-{sha256 or '*'}.onnx")):
        with contextlib.suppress(FileNotFoundError):  # another process removed a damaged one
            digest = file_sha256(path)
            if path.stem.endswith(f"-{digest}"):
                return path, digest
    return None


def _make(folder: Path, stem: str, make: Callable[[], Iterable[bytes]], sha256: str) -> tuple[Path, str]:
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / f".{stem}.lock"):
        # Whoever held the lock before may have made it.
        if found := _find(folder, stem, sha256):
            return found
        # What lies here now is damaged, or was left by a process that was killed: only the lock's holder writes.
        for leftover in (*folder.glob(f"{stem}-{sha256 or '*'}.onnx"), *_drafts(folder, stem)):
            leftover.unlink(missing_ok=True)
        return _publish(folder, stem, make(), sha256)


def _drafts(folder: Path, stem: str) -> list[Path]:
    """Those of this stem, and not of another that begins with it: it has a lock of its own."""
    pattern = re.compile(rf"\.{re.escape(stem)}\.\d+\.tmp")
    return [path for path in folder.glob(".*.tmp") if pattern.fullmatch(path.name)]


def _publish(folder: Path, stem: str, content: Iterable[bytes], sha256: str) -> tuple[Path, str]:
    draft = folder / f".{stem}.{os.getpid()}.tmp"
    digest = hashlib.sha256()
    try:
        with draft.open("wb") as file:
            for chunk in content:
                digest.update(chunk)
                file.write(chunk)
        found = digest.hexdigest()
        if sha256 and found != sha256:
            message = f"the model {stem} has the sha256 {found}; its manifest says {sha256}"
            raise Misconfigured(message)
        path = folder / f"{stem}-{found}.onnx"
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path, found


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`; the kernel frees it when its holder dies, however it dies."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

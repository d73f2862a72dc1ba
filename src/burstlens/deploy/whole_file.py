"""Writing a settings file so that it is there whole, or not at all."""

import os
import tempfile
from pathlib import Path

from burstlens.errors import Misconfigured


def check_writable(path: Path) -> None:
    """Raise `Misconfigured` when a file that is not there cannot be written."""
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        why = "nobody here may write to it" if folder.is_dir() else "it is not there"
        message = f"{path} is to be written, but not into the folder {folder}: {why}"
        raise Misconfigured(message)


def write_whole(path: Path, text: str) -> None:
    """Write a text file that everybody may read, over one that is there.

    Raises:
        Misconfigured: it cannot be written; what was there still is.
    """
    try:
        _replace(path, text)
    except OSError as error:
        message = f"{path} cannot be written ({error}): run this again, with another --config"
        raise Misconfigured(message) from error


def _replace(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        whole = Path(file.name)
        try:
            file.write(text)
            file.close()
            whole.chmod(0o644)
            whole.replace(path)
        finally:
            whole.unlink(missing_ok=True)

"""Writing a file so that it is there whole, or not at all."""

import tempfile
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a text file that everybody may read, over one that is there.

    Raises:
        OSError: it cannot be written; what was there still is.
    """
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        whole = Path(file.name)
        try:
            file.write(text)
            file.close()
            whole.chmod(0o644)
            whole.replace(path)
        finally:
            whole.unlink(missing_ok=True)

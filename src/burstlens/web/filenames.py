"""The name that a client gives an image: hostile text until it was checked."""

import re
from urllib.parse import unquote

from python_multipart.multipart import parse_options_header

from burstlens.web.problems import Kind, Problem

MAX_NAME_BYTES = 255
"""In UTF-8, since the course layout makes it a file's name."""

_EXTENDED = re.compile(rb";\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")


def filename_in(disposition: bytes) -> str | None:
    """The file name in a Content-Disposition header, or None; bytes that are not UTF-8 become U+FFFD.

    RFC 6266 for a raw body and RFC 7578 for a form's part, whose clients send `filename*` as well, forbidden or not.
    """
    extended = _EXTENDED.search(disposition)
    if extended is not None:
        return unquote(extended[1].decode("ascii", errors="replace"), errors="replace")
    _, options = parse_options_header(disposition)
    name = options.get(b"filename")
    return None if name is None else name.decode("utf-8", errors="replace")


def checked(name: str) -> str:
    """The name, when it is a plain one; "" passes, for an image without a name.

    Raises:
        Problem: it is too long, is a path, or has control characters.
    """
    encoded = len(name.encode("utf-8", errors="replace"))
    if encoded > MAX_NAME_BYTES:
        detail = f"The file name is {encoded} bytes long; {MAX_NAME_BYTES} are allowed."
        raise Problem(Kind.BAD_FILE_NAME, detail)
    if "/" in name or "\\" in name or name in {".", ".."}:
        raise Problem(Kind.BAD_FILE_NAME, "The file name has path parts; send the bare name.")
    if _CONTROL.search(name):
        raise Problem(Kind.BAD_FILE_NAME, "The file name has control characters.")
    return name

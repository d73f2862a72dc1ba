"""The wire formats that the generator speaks: how an image is posted, and how the answer is read. Pure.

`v1` is burstlens's own (`POST {url}/v1/recognitions`); `myfile` and `inputFile` are those of the two course clients,
which post to the URL as it is given. `auto` is `v1` where the server has it and `myfile` everywhere else.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import BaseModel, ValidationError

from burstlens.errors import BurstlensError, Misconfigured
from burstlens.messages import Timings
from burstlens.workload.images import Image
from burstlens.workload.outcomes import Problem

V1_PATH = "/v1/recognitions"

MAX_LABEL_CHARACTERS = 200
"""A bare body longer than this is a page or a picture, not a label."""


class Format(StrEnum):
    """The spellings of `--format`."""

    AUTO = "auto"
    V1 = "v1"
    MYFILE = "myfile"
    INPUT_FILE = "inputFile"


class UnreadableAnswer(BurstlensError):
    """The server said 200, but its body is not what the format promises."""


class Refused(BurstlensError):
    """The server's answer is an error result: it will never have a label. `kind` is the error's code."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one image; only `v1` tells more than the label."""

    label: str
    score: float | None = None
    instance: str = ""
    timings: Timings | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A request's body and headers, made once per image and sent any number of times."""

    body: bytes
    headers: dict[str, str]


def endpoint(url: str, form: Format) -> tuple[str, Format]:
    """The address to post to and the format to speak; the format stays `auto` where only the server can tell.

    Raises:
        Misconfigured: the URL is not an absolute http(s) one.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        valid = parts.scheme in ("http", "https") and host and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        message = f"the URL must be like http://host:port/, not {url!r}"
        raise Misconfigured(message)
    is_v1 = parts.path.endswith(V1_PATH)
    if form is Format.AUTO and parts.path not in ("", "/"):
        form = Format.V1 if is_v1 else Format.MYFILE
    if form is Format.V1 and not is_v1:
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + V1_PATH)), form
    return url, form


def upload(image: Image, form: Format) -> Upload:
    """Write the image for the wire: raw bytes for `v1`, else multipart with one file in the field the format names."""
    disposition = f'filename="{_quoted(image.name)}"'
    if form is Format.V1:
        # quoted-string file names are ASCII in practice; RFC 6266 has this second spelling for all others
        disposition = f"attachment; filename*=UTF-8''{quote(image.name)}"
        return Upload(image.data, {"Content-Type": image.content_type, "Content-Disposition": disposition})
    boundary = secrets.token_hex(16)
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{form.value}"; {disposition}\r\n'
        f"Content-Type: {image.content_type}\r\n\r\n"
    )
    body = b"".join((head.encode(), image.data, f"\r\n--{boundary}--\r\n".encode()))
    return Upload(body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})


def _quoted(name: str) -> str:
    """As browsers escape it (WHATWG HTML, multipart/form-data encoding algorithm)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def read(body: bytes, form: Format) -> Answer:
    """Read the body of a 200.

    Raises:
        Refused: it is an error result.
        UnreadableAnswer: it is not what the format promises.
    """
    return _READERS[form](body)


def read_problem(status: int, body: bytes) -> Problem:
    """Read the body of an answer that is no 200: a problem document's detail (RFC 9457), or the first line of text."""
    text = body[:4000].decode(errors="replace").strip()
    message = text.splitlines()[0] if text else ""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict):
        message = str(document.get("detail") or document.get("title") or message)
    return Problem(f"http-{status}", message[:MAX_LABEL_CHARACTERS])


class _V1Error(BaseModel):
    code: str
    message: str


class _V1Answer(BaseModel):
    label: str | None = None
    score: float | None = None
    instance: str = ""
    error: _V1Error | None = None
    timings: Timings | None = None


def _read_v1(body: bytes) -> Answer:
    try:
        answer = _V1Answer.model_validate_json(body)
    except ValidationError:
        raise UnreadableAnswer(_excerpt("expected a result as JSON", body)) from None
    if answer.error is not None:
        raise Refused(answer.error.code, answer.error.message)
    if not answer.label:
        raise UnreadableAnswer(_excerpt("the result has no label", body))
    return Answer(answer.label, answer.score, answer.instance, answer.timings)


def _read_bare(body: bytes) -> Answer:
    label = _text(body)
    if not label or len(label) > MAX_LABEL_CHARACTERS or len(label.splitlines()) > 1:
        raise UnreadableAnswer(_excerpt("expected a bare label", body))
    return Answer(label)


def _read_named(body: bytes) -> Answer:
    _, colon, label = _read_bare(body).label.partition(":")
    label = label.split(":")[0].strip()
    if not colon or not label:
        raise UnreadableAnswer(_excerpt("expected name:label", body))
    return Answer(label)


def _text(body: bytes) -> str:
    try:
        return body.decode().strip()
    except UnicodeDecodeError:
        raise UnreadableAnswer(_excerpt("expected text", body)) from None


def _excerpt(complaint: str, body: bytes) -> str:
    return f"{complaint}, got {body[:60]!r}{'…' if len(body) > 60 else ''}"


_READERS: dict[Format, Callable[[bytes], Answer]] = {
    Format.V1: _read_v1,
    Format.MYFILE: _read_bare,
    Format.INPUT_FILE: _read_named,
}

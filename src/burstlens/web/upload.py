"""Reading one image from an HTTP request, within the limits and without decoding it."""

import asyncio
from dataclasses import dataclass

from starlette.requests import Request as HttpRequest

from burstlens.recognition.base import ImageError
from burstlens.recognition.decode import DecodeLimits, inspect
from burstlens.web import filenames
from burstlens.web.admission import Holding
from burstlens.web.form import Form
from burstlens.web.options import WebOptions
from burstlens.web.problems import Kind, Problem

FORM_OVERHEAD_BYTES = 64 * 1024
"""What boundaries, part headers and other fields of a form may add to the image."""

INSPECT_HERE_BYTES = 256 * 1024
"""The largest image whose header is checked in the event loop, as a thread would cost more than the check. A hostile
header fills the whole file: 20 MB of empty JPEG segments take six seconds, which must not stop everybody else."""

_FORM = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Upload:
    """An image that passed every check that can be made without decoding it."""

    data: bytes
    filename: str
    """"" when the client gave none."""
    content_type: str
    """What the image's own header says, whatever the client declared."""
    field: str = ""
    """The form field that it came in."""


class UploadReader:
    """Reads the image of a request. All calls raise `Problem`, and then leave the rest of the body unread."""

    def __init__(self, options: WebOptions) -> None:
        self._max_bytes = options.max_image_bytes
        self._limits = DecodeLimits(max_bytes=options.max_image_bytes, max_pixels=options.max_pixels)

    async def read_form(self, request: HttpRequest, fields: tuple[str, ...], held: Holding) -> Upload:
        """Read it from the one file of a form; `fields` are the names that its field may have."""
        declared = _media_type(request)
        if declared != _FORM:
            detail = f"Send the image as {_FORM}" + (f", not as {declared}." if declared else ".")
            raise Problem(Kind.UNSUPPORTED_TYPE if declared else Kind.NO_FILE, detail)
        return await self._form(request, fields, held)

    async def read(self, request: HttpRequest, fields: tuple[str, ...], filename: str, held: Holding) -> Upload:
        """Read it from a form, or from the body itself, whose name is `filename` or in Content-Disposition."""
        declared = _media_type(request)
        if declared == _FORM:
            return await self._form(request, fields, held)
        _check_declared(declared)
        disposition = request.headers.get("content-disposition", "").encode("latin-1")
        name = filenames.checked(filename or filenames.filename_in(disposition) or "")
        self._check_length(request, self._max_bytes)
        body = bytearray()
        async for chunk in request.stream():
            held.add(len(chunk))
            body += chunk
            self._check_size(len(body))
        if not body:
            raise Problem(Kind.NO_FILE, "The body is empty; send one image.")
        return await self._checked(bytes(body), name, "")

    async def _form(self, request: HttpRequest, fields: tuple[str, ...], held: Holding) -> Upload:
        self._check_length(request, self._max_bytes + FORM_OVERHEAD_BYTES)
        form = Form(request.headers.get("content-type", "").encode("latin-1"), fields)
        total = 0
        async for chunk in request.stream():
            total += len(chunk)
            held.add(len(chunk))
            self._check_size(total - FORM_OVERHEAD_BYTES)
            form.write(chunk)
            self._check_size(len(form.data))
        form.finish()
        _check_declared(form.content_type.partition(";")[0].strip().lower())
        return await self._checked(bytes(form.data), filenames.checked(form.filename), form.field)

    async def _checked(self, data: bytes, filename: str, field: str) -> Upload:
        try:
            if len(data) <= INSPECT_HERE_BYTES:
                info = inspect(data, self._limits)
            else:
                info = await asyncio.to_thread(inspect, data, self._limits)
        except ImageError as error:
            raise Problem.of_image(error) from error
        return Upload(data, filename, info.content_type, field)

    def _check_length(self, request: HttpRequest, limit: int) -> None:
        """Refuse by the declared length, before anything is read; the server has checked that it is a number."""
        if int(request.headers.get("content-length", "0")) > limit:
            raise self._too_large()

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise self._too_large()

    def _too_large(self) -> Problem:
        return Problem(Kind.IMAGE_TOO_LARGE, f"The upload is too large; {self._max_bytes} bytes are allowed.")


def _media_type(request: HttpRequest) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _check_declared(media_type: str) -> None:
    if media_type and media_type != "application/octet-stream" and not media_type.startswith("image/"):
        detail = "The declared type is not an image's; send image/* or application/octet-stream."
        raise Problem(Kind.UNSUPPORTED_TYPE, detail)

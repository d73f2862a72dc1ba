"""One file in a multipart/form-data body (RFC 7578), parsed as it arrives and never spooled to disk."""

from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from burstlens.web import filenames
from burstlens.web.problems import Kind, Problem

MAX_HEADER_BYTES = 16 * 1024
"""Of one header line of a part: enough to say that a file name is too long rather than that the form is broken."""


BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
"""A body of bytes, for OpenAPI."""


def documented_form(fields: tuple[str, ...]) -> dict[str, Any]:
    """The OpenAPI content of a form whose one file is in one of these fields."""
    schema = {
        "type": "object",
        "properties": dict.fromkeys(fields, BINARY["schema"]),
        "oneOf": [{"required": [field]} for field in fields],
    }
    return {"multipart/form-data": {"schema": schema}}


class Form:
    """Collects the one file of a form; other fields are skipped.

    A part is a file when it has a file name or one of the accepted field names. Feed it with `write`, then `finish`.
    """

    def __init__(self, content_type: bytes, fields: tuple[str, ...]) -> None:
        """Begin.

        Raises:
            Problem: the content type names no boundary.
        """
        self.field = ""
        self.filename = ""
        self.content_type = ""
        self.data = bytearray()
        self._fields = fields
        self._headers: dict[bytes, bytes] = {}
        self._header_name = b""
        self._header_value = b""
        self._files = 0
        self._in_file = False
        self._complete = False
        _, options = parse_options_header(content_type)
        try:
            self._parser = MultipartParser(
                options.get(b"boundary", b""),
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._name,
                    "on_header_value": self._value,
                    "on_header_end": self._header,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._data,
                    "on_part_end": self._end,
                    "on_end": self._finished,
                },
                max_header_size=MAX_HEADER_BYTES,
            )
        except FormParserError as error:
            raise Problem(Kind.BAD_FORM, "The boundary of the form is too long.") from error
        if not options.get(b"boundary"):
            raise Problem(Kind.BAD_FORM, "The Content-Type header of the form names no boundary.")

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            Problem: the form is malformed, or has a file too many or in the wrong field.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise Problem(Kind.BAD_FORM, "The body is no well-formed multipart/form-data.") from error

    def finish(self) -> None:
        """Take the end of the body.

        Raises:
            Problem: the form was cut off, or had no file.
        """
        if not self._complete:
            raise Problem(Kind.BAD_FORM, "The form ends before its closing boundary.")
        if self._files == 0:
            detail = f"The form has no file; send one in the field {_one_of(self._fields)}."
            raise Problem(Kind.NO_FILE, detail)

    def _begin(self) -> None:
        self._headers = {}
        self._in_file = False

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _headers_end(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        field = options.get(b"name", b"").decode("utf-8", errors="replace")
        filename = filenames.filename_in(disposition)
        if filename is None and field not in self._fields:
            return
        self._files += 1
        if self._files > 1:
            raise Problem(Kind.TWO_FILES, "The form has more than one file; send one image in each request.")
        if field not in self._fields:
            detail = f"The file is in the wrong form field; the field is called {_one_of(self._fields)}."
            raise Problem(Kind.WRONG_FIELD, detail)
        self._in_file = True
        self.field = field
        self.filename = filename or ""
        self.content_type = self._headers.get(b"content-type", b"").decode("latin-1")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self.data += data[start:end]

    def _end(self) -> None:
        # A browser sends an empty file input as a nameless part without bytes.
        if self._in_file and not self.filename and not self.data:
            self._files -= 1

    def _finished(self) -> None:
        self._complete = True


def _one_of(fields: tuple[str, ...]) -> str:
    quoted = [f"'{field}'" for field in fields]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"

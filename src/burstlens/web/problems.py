"""Errors as clients see them: RFC 9457 problem documents, plain text on the compatibility routes."""

import json
from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse, Response

from burstlens.messages import ErrorCode, Failure
from burstlens.recognition.base import ImageError

MEDIA_TYPE = "application/problem+json"


class Kind(Enum):
    """Every kind of problem: the last part of its `type`, the status, and the title. The first never changes."""

    NOT_AN_IMAGE = ("not-an-image", 400, "Not an image")
    NO_FILE = ("no-file", 400, "No file")
    TWO_FILES = ("two-files", 400, "More than one file")
    WRONG_FIELD = ("wrong-field", 400, "Wrong form field")
    BAD_FILE_NAME = ("bad-file-name", 400, "Bad file name")
    BAD_FORM = ("bad-form", 400, "Malformed form")
    BAD_IDEMPOTENCY_KEY = ("bad-idempotency-key", 400, "Bad Idempotency-Key")
    NOT_FOUND = ("not-found", 404, "Not found")
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "Method not allowed")
    IMAGE_TOO_LARGE = ("image-too-large", 413, "Image too large")
    UNSUPPORTED_TYPE = ("unsupported-type", 415, "Unsupported type")
    BAD_PARAMETER = ("bad-parameter", 422, "Bad parameter")
    DECODE_TIMEOUT = ("decode-timeout", 422, "Decoding took too long")
    IDEMPOTENCY_KEY_REUSED = ("idempotency-key-reused", 422, "Idempotency-Key was used for another image")
    INPUT_MISSING = ("input-missing", 500, "The image was lost")
    UNKNOWN_VERSION = ("unknown-version", 500, "Versions do not match")
    DEAD_LETTER = ("dead-letter", 500, "Recognition failed")
    INTERNAL = ("internal-error", 500, "Internal error")
    BUSY = ("busy", 503, "Too much work waiting")
    UNAVAILABLE = ("unavailable", 503, "Queue or buckets do not answer")
    STOPPING = ("stopping", 503, "Shutting down")
    TIMED_OUT = ("timed-out", 504, "No result in time")

    def __init__(self, slug: str, status: int, title: str) -> None:
        self.slug = slug
        self.status = status
        self.title = title

    @property
    def type(self) -> str:
        """The relative URI that names the kind."""
        return f"/problems/{self.slug}"


_BY_SLUG = {kind.slug: kind for kind in Kind}


class ProblemDocument(BaseModel):
    """An error, as RFC 9457 writes it."""

    type: str = Field(description="What kind of problem it is; stable, for programs.", examples=["/problems/busy"])
    title: str = Field(description="The kind, for people.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong this time, in a sentence.")
    id: str | None = Field(default=None, description="The request that it is about, where there is one.")


class Problem(Exception):
    """Ends the handling of an HTTP request with an error; `detail` is one sentence for the client."""

    def __init__(
        self, kind: Kind, detail: str, request_id: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.request_id = request_id
        self.headers = dict(headers or {})

    @classmethod
    def of_image(cls, error: ImageError) -> "Problem":
        """What the header check found."""
        return cls(kind_of(error.code), _sentence(str(error)))

    @classmethod
    def of_failure(cls, failure: Failure, request_id: str) -> "Problem":
        """What a worker found: the error of a result, for a client that waits for it."""
        return cls(kind_of(failure.code), _sentence(failure.message), request_id)

    @classmethod
    def retry(cls, kind: Kind, detail: str, seconds: int) -> "Problem":
        """One of the 503 kinds, with the time after which to come again."""
        return cls(kind, detail, headers={"Retry-After": str(seconds)})

    def response(self) -> Response:
        """The problem document."""
        document: dict[str, Any] = {
            "type": self.kind.type,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
        }
        if self.request_id is not None:
            document["id"] = self.request_id
        return Response(json.dumps(document), self.kind.status, self.headers, MEDIA_TYPE)

    def text_response(self) -> Response:
        """The same for the compatibility routes, whose clients know text only."""
        return PlainTextResponse(self.detail, self.kind.status, self.headers)


def kind_of(code: ErrorCode) -> Kind:
    """The kind of problem that a result's error is on a route that waits for the result."""
    return _BY_SLUG[code.value]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a FastAPI route that can end in these problems."""
    return _documented(kinds, {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}})


def documented_as_text(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """The same for a route that says them in plain text."""
    return _documented(kinds, {"text/plain": {"schema": {"type": "string"}}})


def _documented(kinds: tuple[Kind, ...], content: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    responses: dict[int | str, dict[str, Any]] = {}
    for status in sorted({kind.status for kind in kinds}):
        lines = [f"`{kind.type}`: {kind.title}." for kind in kinds if kind.status == status]
        responses[status] = {"description": f"{HTTPStatus(status).phrase}. {' '.join(lines)}", "content": content}
        if status == 503:
            retry_after = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
            responses[status]["headers"] = {"Retry-After": retry_after}
    return responses

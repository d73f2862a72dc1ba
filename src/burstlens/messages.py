"""All that crosses a process boundary: `Request`, `Result` and `Heartbeat`, as versioned JSON.

A reader ignores fields that it does not know, so a minor version may add fields. A major version that it does not know
is refused with `UnknownVersion`, which still carries the id and the queue to answer on.
"""

import base64
import binascii
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    model_validator,
)

from burstlens.errors import BurstlensError

MAJOR = 1
"""The version of the wire format that this code reads and writes."""

MAX_TOP_K = 100

RequestId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{7,63}$")]
"""Safe as an object key and in a URL, whoever wrote the message."""

RESPONSES = "responses-"
"""Begins the name of every response queue, and of no other."""
REPLY_QUEUE = rf"^{RESPONSES}[A-Za-z0-9_-]{{1,60}}$"
ReplyQueueName = Annotated[str, StringConstraints(pattern=REPLY_QUEUE)]
"""Only response queues can be named in `reply_to`: a forged message cannot write to any other queue."""


def _decode_base64(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        reason = f"bad base64: {error}"
        raise ValueError(reason) from None


ImageBytes = Annotated[
    bytes,
    BeforeValidator(_decode_base64),
    PlainSerializer(lambda data: base64.b64encode(data).decode("ascii"), return_type=str, when_used="json"),
]
"""Bytes in Python, standard base64 in JSON: 4/3 of the size on the wire."""


class MalformedMessage(BurstlensError):
    """The text is no message of ours, and nobody can be told: it belongs into the dead letters."""


class UnknownResultVersion(MalformedMessage):
    """A result of another major version: it counts, but cannot be read here, and must not be written over."""


class UnknownVersion(BurstlensError):
    """The message speaks another major version; its sender can be told."""

    def __init__(self, version: int, request_id: str, reply_to: str | None) -> None:
        super().__init__(f"message version {version} is not supported here; this worker reads version {MAJOR}")
        self.request_id = request_id
        self.reply_to = reply_to


class ErrorCode(StrEnum):
    """Why a request ended without a label."""

    NOT_AN_IMAGE = "not-an-image"
    """The bytes are not a picture, or a damaged one."""
    IMAGE_TOO_LARGE = "image-too-large"
    """More pixels or bytes than the limits allow."""
    UNSUPPORTED_TYPE = "unsupported-type"
    """A picture of a kind that is not read here."""
    DECODE_TIMEOUT = "decode-timeout"
    """Decoding took longer than `decode_seconds`."""
    INPUT_MISSING = "input-missing"
    """The claim check names an object that the input bucket does not hold."""
    UNKNOWN_VERSION = "unknown-version"
    """The request speaks a major version that the worker does not know."""
    DEAD_LETTER = "dead-letter"
    """It failed `max_attempts` times; it is kept among the dead letters."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = MAJOR


class Request(_Message):
    """One image to recognise: either its bytes travel inside (base64 in JSON) or the key of its input object does."""

    id: RequestId
    filename: str = Field(max_length=255)
    content_type: str = Field(default="application/octet-stream", max_length=255)
    image: ImageBytes | None = None
    input_key: str | None = Field(default=None, max_length=512)
    reply_to: ReplyQueueName | None = None
    top_k: int = Field(default=5, ge=1, le=MAX_TOP_K)
    submitted_at: AwareDatetime

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.image is None) == (self.input_key is None):
            message = "a request carries either an image or an input key"
            raise ValueError(message)
        return self

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a request from the wire.

        Raises:
            UnknownVersion: the major version is not `MAJOR`.
            MalformedMessage: it is not a request.
        """
        try:
            request = cls.model_validate_json(text)
        except ValidationError as error:
            _raise_if_unknown_version(text)
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            reason = f"not a request: {where + ': ' if where else ''}{first['msg']}"
            raise MalformedMessage(reason) from None
        if request.version != MAJOR:
            raise UnknownVersion(request.version, request.id, request.reply_to)
        return request

    def to_json(self) -> str:
        """Write it for the wire; the inverse of `parse`."""
        return self.model_dump_json(exclude_none=True)


class _Envelope(BaseModel):
    """What every major version promises to keep, so that a sender can be told of an unknown one."""

    version: int
    id: RequestId
    reply_to: ReplyQueueName | None = None


def _raise_if_unknown_version(text: str) -> None:
    try:
        envelope = _Envelope.model_validate_json(text)
    except ValidationError:
        return
    if envelope.version != MAJOR:
        raise UnknownVersion(envelope.version, envelope.id, envelope.reply_to)


class Score(BaseModel):
    """One candidate label. `score` is a probability in 0..1; readable labels repeat, `class_index` does not."""

    model_config = ConfigDict(frozen=True)

    label: str
    class_index: int | None = None
    score: float


class Failure(BaseModel):
    """Why there is no label, for programs (`code`) and for people (`message`)."""

    model_config = ConfigDict(frozen=True)

    code: ErrorCode
    message: str


class Timings(BaseModel):
    """Where the time of one request went, in seconds."""

    model_config = ConfigDict(frozen=True)

    queue_wait_seconds: float = 0.0
    """From `submitted_at` to the worker's receive; two machines' clocks are compared."""
    decode_seconds: float = 0.0
    infer_seconds: float = 0.0


class Result(_Message):
    """The outcome of one request: a label with its score, or an error."""

    id: RequestId
    filename: str
    label: str | None = None
    class_index: int | None = None
    score: float | None = None
    top: tuple[Score, ...] = ()
    error: Failure | None = None
    model: str = ""
    instance: str = ""
    attempt: int = 1
    timings: Timings = Timings()
    completed_at: AwareDatetime

    @property
    def is_dead_letter(self) -> bool:
        """Whether it only says that the request was given up: redriven, that may still get its label."""
        return self.error is not None and self.error.code is ErrorCode.DEAD_LETTER

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read a result from the wire or from the output bucket.

        Raises:
            UnknownResultVersion: the major version is not `MAJOR`.
            MalformedMessage: it is not a result.
        """
        try:
            if (version := _Message.model_validate_json(text).version) != MAJOR:
                reason = f"result version {version} is not supported here"
                raise UnknownResultVersion(reason)
            return cls.model_validate_json(text)
        except ValidationError as error:
            reason = f"not a result: {error.errors(include_url=False, include_input=False)[0]['msg']}"
            raise MalformedMessage(reason) from None

    def to_json(self) -> str:
        """Write it for the wire; the inverse of `parse`."""
        return self.model_dump_json(exclude_none=True)


class WorkerState(StrEnum):
    """What a worker says of itself in its heartbeat."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    DRAINING = "draining"
    STOPPED = "stopped"


class Heartbeat(_Message):
    """A worker's sign of life, an object in the fleet bucket that it overwrites every few seconds."""

    worker: str
    """Unique among all workers: the instance's name and the process."""
    instance: str
    pool: str = ""
    state: WorkerState
    started_at: AwareDatetime
    sent_at: AwareDatetime
    done: int = 0
    failed: int = 0
    held: int = 0
    """Requests under lease right now."""
    service_seconds: float | None = None
    """Smoothed decode + infer time of one request; None before the first."""
    software: str = ""
    model: str = ""


def utc(seconds: float) -> datetime:
    """A clock's seconds since the epoch as the time stamp that messages carry."""
    return datetime.fromtimestamp(seconds, tz=UTC)

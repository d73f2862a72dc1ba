"""What the web tier can be told: limits, waits and where to listen."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from burstlens.messages import RESPONSES

MEBIBYTE = 1024 * 1024

ReplicaName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,60}$")]
"""Also the tail of the replica's response queue, `responses-<replica>`."""


class WebOptions(BaseModel):
    """Settings of one web replica; the defaults suit one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    """0 takes a free one."""
    replica: ReplicaName = "web"
    """Tells people which replica it is; each start of it has a response queue of its own, named after it."""

    max_image_bytes: int = Field(default=20 * MEBIBYTE, ge=1)
    max_pixels: int = Field(default=50_000_000, ge=1)
    inline_limit_bytes: int = Field(default=256 * 1024, ge=0)
    """The largest image that travels inside the message; 0 means always claim-check. The request queue's own limit on
    a message bounds it further."""

    wait_seconds: float = Field(default=60.0, ge=0)
    """How long `POST /v1/recognitions` waits when the client names no preference."""
    max_wait_seconds: float = Field(default=900.0, ge=0)
    """The most that `Prefer: wait=N` gets."""
    legacy_wait_seconds: float = Field(default=900.0, ge=0)
    """How long the two compatibility routes hold the connection."""
    keep_alive_seconds: float = Field(default=15.0, gt=0)
    """Between two signs of life on a stream of events, so that no proxy closes it."""

    max_backlog: int = Field(default=10_000, ge=1)
    """Requests in the queue, and clients waiting here, beyond which new ones are answered 503."""
    max_held_bytes: int = Field(default=1024 * MEBIBYTE, ge=1)
    """Bytes of uploads in memory at once, beyond which new ones are answered 503."""
    max_connections: int = Field(default=12_000, ge=1)
    """Beyond it the server answers 503 without looking at the request; the last line of defence."""
    retry_after_seconds: int = Field(default=5, ge=1)
    """What a 503 asks the client to wait."""

    recheck_seconds: float = Field(default=3.0, gt=0)
    """How often the output bucket is asked for a result that somebody waits for: a reply may be lost."""
    rechecks_per_second: int = Field(default=50, ge=1)
    """Bounds the cost of that, however many wait."""
    shutdown_seconds: float = Field(default=5.0, ge=0)
    """How long a stop waits for results that clients are waiting for."""
    linger_seconds: float = Field(default=10.0, ge=0)
    """How long a refused upload is still read and dropped, so that its sender gets to see the answer."""

    @property
    def response_queue(self) -> str:
        """The queue that workers answer this replica on."""
        return f"{RESPONSES}{self.replica}"

"""Sending a request to the workers, by the way that its promise needs.

The input object is the durable mark of "accepted". Where a client is told an id (202) or repeats a request (an
`Idempotency-Key`), it is written first and the request is sent second. If the process dies in between, the client has
no answer and repeats: the mark is there, but the replica does not know the request to be in flight, so it sends it
again, key only. A duplicate is harmless, since the result is written once; a request that waits for nobody is not.
"""

import asyncio
import hashlib
import math
from dataclasses import dataclass
from weakref import WeakValueDictionary

from burstlens.clock import Clock
from burstlens.errors import NotFound
from burstlens.lane import Lane
from burstlens.messages import Request, Result, utc
from burstlens.queues.base import Message
from burstlens.web.admission import Admission
from burstlens.web.metrics import Metrics
from burstlens.web.options import WebOptions
from burstlens.web.problems import Kind, Problem

ENVELOPE_BYTES = 2048
"""The most that a request's JSON takes beside the image: a file name of 255 bytes, escaped, and a few short fields."""

MAX_KEY_LENGTH = 255
_REMEMBERED = 100_000


@dataclass(slots=True)
class Submission:
    """One image on its way to the queue."""

    request_id: str
    filename: str
    content_type: str
    top_k: int
    image: bytes | None
    """None once it is in the input bucket."""


def id_of_key(key: str) -> str:
    """The request id that belongs to an `Idempotency-Key`, the same on every replica.

    Raises:
        Problem: the key is empty, too long, or not printable ASCII.
    """
    if not (0 < len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        detail = f"The Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable ASCII characters."
        raise Problem(Kind.BAD_IDEMPOTENCY_KEY, detail)
    return hashlib.sha256(b"burstlens idempotency key\0" + key.encode()).hexdigest()[:40]


class Submitter:
    """Sends requests. All calls raise what queue and buckets raise."""

    def __init__(self, lane: Lane, admission: Admission, options: WebOptions, clock: Clock, metrics: Metrics) -> None:
        self._requests = lane.requests
        self._buckets = lane.buckets
        self._admission = admission
        self._options = options
        self._clock = clock
        self._metrics = metrics
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._sent_at: dict[str, float] = {}
        room = (lane.requests.max_message_bytes - ENVELOPE_BYTES) * 3 // 4
        self._inline_bytes = min(options.inline_limit_bytes, room)

    async def keep(self, submission: Submission) -> None:
        """Put the image into the input bucket, unless it is there: from now on the id means something to everybody."""
        if submission.image is not None:
            await self._buckets.put_input(submission.request_id, submission.image)
            submission.image = None

    async def send(self, submission: Submission) -> None:
        """Send it for a client that waits: a small image travels inside the message."""
        if submission.image is None or len(submission.image) > self._inline_bytes:
            await self.send_kept(submission)
        else:
            await self._send(submission, "inline")

    async def send_kept(self, submission: Submission) -> None:
        """Send it for a client that is told the id and leaves: image first, then the request."""
        await self.keep(submission)
        await self._send(submission, "claim-check")

    async def send_once(self, submission: Submission) -> Result | None:
        """Send it for a client that may repeat itself; return the result when there is one already.

        Raises:
            Problem: the id was used for another image, as far as that one is still kept.
        """
        lock = self._locks.setdefault(submission.request_id, asyncio.Lock())
        async with lock:
            await self._refuse_another_image(submission)
            result = await self._buckets.get_result(submission.request_id)
            if result is not None:
                return result
            await self.keep(submission)
            if not self._in_flight(submission.request_id):
                await self.send_kept(submission)
                self._remember(submission.request_id)
        return None

    async def _send(self, submission: Submission, way: str) -> None:
        message = Message(self._request(submission).to_json())
        try:
            await self._requests.send([message])
        except ValueError:  # all that has no bound of its own is left out of a claim check but these
            detail = "File name and content type are too long for this deployment's queue."
            raise Problem(Kind.BAD_FILE_NAME, detail, submission.request_id) from None
        self._admission.note_sent()
        self._metrics.sent.labels(way).inc()

    def _request(self, submission: Submission) -> Request:
        """The message: with the image as long as that is not in the input bucket, then with its key."""
        kept = submission.image is None
        return Request(
            id=submission.request_id,
            filename=submission.filename,
            content_type=submission.content_type,
            image=submission.image,
            input_key=self._buckets.input_key(submission.request_id) if kept else None,
            reply_to=self._options.response_queue,
            top_k=submission.top_k,
            submitted_at=utc(self._clock.now()),
        )

    async def _refuse_another_image(self, submission: Submission) -> None:
        image, submission.image = submission.image, None
        try:
            kept = await self._buckets.get_input(self._request(submission))
        except NotFound:
            submission.image = image
            return
        if kept != image:
            detail = "This Idempotency-Key was used for another image; use a new key for a new image."
            raise Problem(Kind.IDEMPOTENCY_KEY_REUSED, detail, submission.request_id)

    def _in_flight(self, request_id: str) -> bool:
        sent_at = self._sent_at.get(request_id, -math.inf)
        return self._clock.now() - sent_at < self._options.max_wait_seconds

    def _remember(self, request_id: str) -> None:
        self._sent_at.pop(request_id, None)
        self._sent_at[request_id] = self._clock.now()
        while len(self._sent_at) > _REMEMBERED:
            del self._sent_at[next(iter(self._sent_at))]

"""What SQS takes: sizes, numbers and characters.

Sources: SQS's "Message quotas" (1 MiB since August 2025) and the SendMessage page of its API reference.
"""

import math
import re
from collections.abc import Sequence

from burstlens.queues.base import Message
from burstlens.queues.sizes import check_sizes

MAX_BATCH = 10
"""Entries of one call, and messages of one receive."""
MAX_BATCH_BYTES = 1024 * 1024
"""Bodies and message attributes of one call together."""
MAX_WAIT_SECONDS = 20
MAX_DELAY_SECONDS = 900
MAX_LEASE_SECONDS = 12 * 3600 - 10
"""From the receive to the end of the last extension: SQS's 12 hours, less what its clock may be ahead of ours."""

_PLAIN = bytes({*b"\t\n\r", *range(0x20, 0x80)})
_REFUSED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def check_messages(messages: Sequence[Message], max_bytes: int) -> None:
    """Pass when SQS takes every one of them.

    Raises:
        ValueError: a body is too large, empty, or has a character that SQS refuses; or a delay is too long.
    """
    for message in messages:
        body = message.body
        # A look by the expression takes 0.5 ms for an image of 100 KB in base64, the first one 0.08 ms.
        plain = body.isascii() and not body.encode().translate(None, _PLAIN)
        refused = None if plain else _REFUSED.search(body)
        if refused is not None:
            error = f"the message has the character {refused[0]!r}, which SQS refuses"
            raise ValueError(error)
        if not body:
            error = "the message is empty, which SQS refuses"
            raise ValueError(error)
        if message.delay_seconds > MAX_DELAY_SECONDS:
            error = f"the message is delayed by {message.delay_seconds:g} s; SQS takes at most {MAX_DELAY_SECONDS}"
            raise ValueError(error)
    check_sizes(messages, max_bytes)


def printable(text: str, max_bytes: int) -> str:
    """The beginning of this text that has at most `max_bytes` in UTF-8, without what SQS refuses; never empty."""
    allowed = _REFUSED.sub("?", text)
    return allowed.encode()[:max_bytes].decode(errors="ignore") or "?"


def whole_seconds(seconds: float) -> int:
    """SQS counts in whole seconds: rather longer than shorter."""
    return max(0, math.ceil(seconds))

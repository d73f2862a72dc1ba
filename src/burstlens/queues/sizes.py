"""How large a message may be on the embedded backends."""

from collections.abc import Sequence

from burstlens.queues.base import Message

MAX_MESSAGE_BYTES = 2 * 1024 * 1024
"""The embedded backends have no limit of their own; this one holds an image of 1.4 MiB in base64 with room to spare."""


def check_sizes(messages: Sequence[Message], max_bytes: int) -> None:
    """Pass when every body has at most `max_bytes` in UTF-8.

    Raises:
        ValueError: one has more, or cannot be written in UTF-8 at all.
    """
    for message in messages:
        body = message.body
        size = len(body) if body.isascii() else len(body.encode())
        if size > max_bytes:
            error = f"the message has {size:,} bytes; this queue takes at most {max_bytes:,}"
            raise ValueError(error)

"""Names of queues, the same on every backend."""

import re

from burstlens.errors import Misconfigured

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


def check_name(name: str) -> str:
    """Return the name.

    Raises:
        Misconfigured: it does not match ``[A-Za-z0-9_-]{1,80}``.
    """
    if not _NAME.fullmatch(name):
        message = f"{name[:100]!r} is no name for a queue: 1 to 80 letters, digits, - and _"
        raise Misconfigured(message)
    return name

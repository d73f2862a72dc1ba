"""How long a client wants to wait: the `Prefer` header (RFC 7240)."""

from collections.abc import Sequence
from dataclasses import dataclass

from burstlens.web.options import WebOptions


@dataclass(frozen=True, slots=True)
class Preference:
    """What was asked for, within the limits."""

    wait_seconds: float
    applied: str = ""
    """For the `Preference-Applied` header; "" when the client named nothing that is known here."""

    @classmethod
    def parse(cls, headers: Sequence[str], options: WebOptions) -> "Preference":
        """Read all `Prefer` headers of a request; what is not understood is ignored, as the RFC wants.

        `respond-async` alone waits not at all; beside `wait=N` it waits that long, as `wait=N` alone does.
        """
        if not headers:
            return cls(options.wait_seconds)
        asked: dict[str, str] = {}
        for token in ",".join(headers).split(","):
            name, _, value = token.partition(";")[0].partition("=")
            asked.setdefault(name.strip().lower(), value.strip().strip('"'))
        wait = asked.get("wait", "")
        if wait.isascii() and wait.isdigit():
            seconds = min(float(wait), options.max_wait_seconds)
            return cls(seconds, f"{'respond-async, ' if 'respond-async' in asked else ''}wait={seconds:.0f}")
        if "respond-async" in asked:
            return cls(0.0, "respond-async")
        return cls(options.wait_seconds)

"""What is known of a request by its id."""

from enum import Enum

from burstlens.messages import Result
from burstlens.web.problems import Kind, Problem
from burstlens.web.tier import WebTier


class Known(Enum):
    """A request without a result."""

    WAITING = "waiting"


async def look_up(tier: WebTier, request_id: str) -> Result | Known:
    """The result, or that it is still to come.

    Raises:
        Problem: nobody was ever told this id.
    """
    buckets = tier.lane.buckets
    result = await buckets.get_result(request_id)
    if result is not None:
        return result
    if request_id in tier.waiters or await buckets.has_input(request_id):
        return Known.WAITING
    # With the course layout the input goes when the result comes: look again before saying never.
    result = await buckets.get_result(request_id)
    if result is not None:
        return result
    raise Problem(Kind.NOT_FOUND, "There is no such request.")

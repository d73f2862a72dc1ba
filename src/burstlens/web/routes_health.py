"""For whoever watches the process: is it alive, can it work, what did it count."""

import asyncio

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from burstlens.errors import BurstlensError
from burstlens.web.metrics import MEDIA_TYPE
from burstlens.web.problems import Kind, Problem, documented
from burstlens.web.tier import WebTier, tier_of

_PROBE = "readyz"

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """What is the matter: nothing."""

    status: str
    version: str


@router.get("/healthz", summary="Is the process alive", responses=documented(Kind.METHOD_NOT_ALLOWED))
async def alive(http: Request) -> Health:
    """Answer as long as the process does; asks neither queue nor buckets."""
    return Health(status="alive", version=http.app.version)


@router.get(
    "/readyz",
    summary="Can it take requests",
    responses=documented(Kind.METHOD_NOT_ALLOWED, Kind.UNAVAILABLE, Kind.STOPPING),
)
async def ready(http: Request) -> Health:
    """Ask the queues and the buckets for a sign of life."""
    tier = tier_of(http)
    seconds = tier.options.retry_after_seconds
    if tier.waiters.stopping:
        raise Problem.retry(Kind.STOPPING, "This replica shuts down.", seconds)
    reasons = await _reasons(tier)
    if reasons:
        raise Problem.retry(Kind.UNAVAILABLE, f"Not ready: {'; '.join(reasons)}.", seconds)
    return Health(status="ready", version=http.app.version)


@router.get("/metrics", summary="Counters, for Prometheus", response_class=PlainTextResponse)
async def metrics(http: Request) -> Response:
    """Everything that this replica counts, in Prometheus' text format."""
    return Response(tier_of(http).metrics.render(), media_type=MEDIA_TYPE)


async def _reasons(tier: WebTier) -> list[str]:
    """Why this replica is not ready; empty when it is."""
    buckets = tier.lane.buckets
    checks = {
        "the request queue": tier.lane.requests.depth(),
        "the input bucket": buckets.inputs.exists(_PROBE),
        "the output bucket": buckets.outputs.exists(_PROBE),
        "the fleet bucket": buckets.fleet.exists(_PROBE),
    }
    answers = await asyncio.gather(*checks.values(), return_exceptions=True)
    reasons: list[str] = []
    for name, answer in zip(checks, answers, strict=True):
        if isinstance(answer, BurstlensError):
            reasons.append(f"{name} does not answer ({type(answer).__name__})")
        elif isinstance(answer, BaseException):
            raise answer
    if tier.failure:
        reasons.append(tier.failure)
    return reasons

"""The web tier as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from burstlens.clock import Clock
from burstlens.lane import Lane
from burstlens.web import refusals, routes_compat, routes_health, routes_v1
from burstlens.web.linger import Linger
from burstlens.web.metrics import Measured
from burstlens.web.options import WebOptions
from burstlens.web.problems import ProblemDocument
from burstlens.web.tier import WebTier


class WebApp(FastAPI):
    """FastAPI whose OpenAPI document knows the problem documents."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("ProblemDocument", ProblemDocument.model_json_schema())
        return document


def create_app(lane: Lane, options: WebOptions, clock: Clock, version: str) -> FastAPI:
    """Build one web replica over a lane that its owner opens and closes.

    All of its state is `app.state.tier`. The lifespan starts and stops the response listener; it does not fail when
    the queue does not answer: the replica is then alive, but not ready.
    """
    tier = WebTier(lane, options, clock)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        tier.start()
        try:
            yield
        finally:
            await tier.stop()

    app = WebApp(
        title="burstlens",
        summary="Elastic image recognition: send an image, get its label.",
        version=version,
        lifespan=lifespan,
        redoc_url=None,
    )
    app.state.tier = tier
    for routes in (routes_v1, routes_compat, routes_health):
        app.include_router(routes.router)
    refusals.register(app)
    app.add_middleware(Linger, clock=clock, seconds=options.linger_seconds)
    app.add_middleware(Measured, metrics=tier.metrics)
    return app

"""What the web tier counts, for Prometheus."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)


class Metrics:
    """The metrics of one app, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "burstlens_web_requests", "HTTP requests by route and status.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "burstlens_web_request_seconds",
            "Time until an HTTP request was answered.",
            ["route"],
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.sent = Counter("burstlens_web_sent", "Requests sent, by way.", ["way"], registry=self.registry)
        self.replies = Counter(
            "burstlens_web_replies", "Replies received, by what became of them.", ["outcome"], registry=self.registry
        )
        self.failures = Counter(
            "burstlens_web_failures", "Calls that queue or buckets failed, by task.", ["task"], registry=self.registry
        )
        self.clients_gone = Counter(
            "burstlens_web_clients_gone", "Clients that left before their result.", registry=self.registry
        )
        self.waiting = Gauge("burstlens_web_waiting", "Clients that wait for a result.", registry=self.registry)
        self.held_bytes = Gauge("burstlens_web_held_bytes", "Bytes of uploads in memory.", registry=self.registry)
        self.backlog = Gauge("burstlens_web_backlog", "Depth of the queue as last seen.", registry=self.registry)

    def render(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)


class Measured:
    """ASGI middleware that counts and times requests by route, and answers HEAD wherever there is GET.

    The server leaves out the body of an answer to HEAD.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began = time.perf_counter()

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        try:
            await self._app(scope, receive, note_status)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.requests.labels(route, status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - began)

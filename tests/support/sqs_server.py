"""A proxy in front of a double of SQS that can go wrong on demand, and remembers what it was asked."""

import contextlib
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

JSON = "application/x-amz-json-1.0"


@dataclass(frozen=True)
class Call:
    """One call as it arrived."""

    action: str
    parameters: dict[str, Any]
    headers: Mapping[str, str]
    body: bytes

    @property
    def access_key(self) -> str:
        """Who signed it."""
        return self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]


Forward = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Ask the double, with these parameters."""
Fault = Callable[[Call, Forward], Awaitable[web.StreamResponse]]


@dataclass
class SqsServer:
    """Where it listens, what came in, and what is to go wrong: the next faults of each action, in order."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    faults: defaultdict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    abandoned: int = 0
    """Calls whose caller left before the answer."""

    def actions(self) -> list[str]:
        return [call.action for call in self.calls]

    def of(self, action: str) -> list[Call]:
        return [call for call in self.calls if call.action == action]


class Dropped(web.StreamResponse):
    """No answer at all: the connection just ends."""

    async def prepare(self, request: web.BaseRequest) -> None:
        assert request.transport is not None
        request.transport.abort()


def answered(data: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=json.dumps(data), status=status, content_type=JSON, headers=headers)


def refuses(code: str, status: int = 400) -> Fault:
    """SQS's answer with this error."""

    async def fault(call: Call, forward: Forward) -> web.StreamResponse:
        del call, forward
        return answered({"__type": f"com.amazonaws.sqs#{code}", "message": "because"}, status)

    return fault


def refuses_in_header(code: str) -> Fault:
    """The same with the code where the older protocol's spelling of it is."""

    async def fault(call: Call, forward: Forward) -> web.StreamResponse:
        del call, forward
        details = {"__type": "com.amazon.coral.service#SomethingElseException", "message": "because"}
        return answered(details, 400, {"x-amzn-query-error": f"{code};Sender"})

    return fault


async def shows_a_page(call: Call, forward: Forward) -> web.StreamResponse:
    """What a load balancer says."""
    del call, forward
    return web.Response(text="<html>Service Unavailable</html>", status=503, content_type="text/html")


async def talks_nonsense(call: Call, forward: Forward) -> web.StreamResponse:
    """What a captive portal says."""
    del call, forward
    return web.Response(text="<html>Please log in</html>", content_type="text/html")


async def drops(call: Call, forward: Forward) -> web.StreamResponse:
    """The connection is lost before anything happened."""
    del call, forward
    return Dropped()


async def loses_the_answer(call: Call, forward: Forward) -> web.StreamResponse:
    """It happened, but the caller does not hear of it."""
    await forward(call.parameters)
    return Dropped()


def fails_entries(code: str, *indices: int) -> Fault:
    """These entries of a batch are not taken, the others are."""

    async def fault(call: Call, forward: Forward) -> web.StreamResponse:
        entries = call.parameters["Entries"]
        failed = [entry for index, entry in enumerate(entries) if index in indices]
        rest = [entry for entry in entries if entry not in failed]
        answer = await forward({**call.parameters, "Entries": rest}) if rest else {}
        failures = [{"Id": e["Id"], "SenderFault": False, "Code": code, "Message": "because"} for e in failed]
        return answered({**answer, "Failed": [*answer.get("Failed", ()), *failures]})

    return fault


def with_parameters(**parameters: object) -> Fault:
    """The double is asked with these instead."""

    async def fault(call: Call, forward: Forward) -> web.StreamResponse:
        return answered(await forward({**call.parameters, **parameters}))

    return fault


@contextlib.asynccontextmanager
async def sqs_server(double: str) -> AsyncIterator[SqsServer]:
    """Run it in front of the double at this address."""
    server = SqsServer()

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        action = request.headers["X-Amz-Target"].removeprefix("AmazonSQS.")
        call = Call(action, json.loads(body), request.headers, body)
        server.calls.append(call)

        async def ask(parameters: Mapping[str, Any]) -> tuple[int, bytes, str]:
            passed = {name: call.headers[name] for name in ("X-Amz-Target", "Content-Type", "Authorization")}
            async with http.post(double, data=json.dumps(parameters).encode(), headers=passed) as response:
                return response.status, await response.read(), response.headers.get("x-amzn-query-error", "")

        async def forward(parameters: Mapping[str, Any]) -> dict[str, Any]:
            _, data, _ = await ask(parameters)
            answer: dict[str, Any] = json.loads(data)
            return answer

        try:
            if faults := server.faults[action]:
                return await faults.popleft()(call, forward)
            status, data, code = await ask(call.parameters)
        except BaseException:
            server.abandoned += 1
            raise
        return web.Response(body=data, status=status, content_type=JSON, headers={"x-amzn-query-error": code})

    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_post("/", handle)
    runner = web.AppRunner(app, handler_cancellation=True)
    async with aiohttp.ClientSession() as http:
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            server.url = "http://{}:{}".format(*runner.addresses[0][:2])
            yield server
        finally:
            await runner.cleanup()

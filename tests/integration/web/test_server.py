"""The server itself: where it listens, what it says of itself, and that it ends."""

import asyncio
import json
import signal
import socket

import pytest

from burstlens.clock import SystemClock
from burstlens.errors import Misconfigured
from burstlens.web.app import create_app
from burstlens.web.options import WebOptions
from burstlens.web.problems import Kind
from burstlens.web.server import WebServer
from support.web import Worker, memory_lane, picture, send, serving, working

pytestmark = pytest.mark.anyio


async def test_address_that_is_taken_is_one_clear_line() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        options = WebOptions(port=replica.server.address[1])
        second = WebServer(create_app(lane, options, SystemClock(), "0"), options, SystemClock())
        with pytest.raises(Misconfigured, match=rf"cannot listen on 127\.0\.0\.1 port {options.port}: .*in use"):
            await second.start()
        await second.stop()


async def test_socket_of_the_owner_is_used() -> None:
    lane = await memory_lane()
    options, clock = WebOptions(port=1), SystemClock()
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    async with WebServer(create_app(lane, options, clock, "0"), options, clock, listening) as server:
        assert server.url == f"http://127.0.0.1:{port}"
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_signal_handlers_stay_the_owners() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with serving(await memory_lane()):
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_stop_leaves_no_task_behind() -> None:
    lane = await memory_lane()
    before = asyncio.all_tasks()
    async with serving(lane) as replica, working(Worker(lane)):
        await send(replica, "POST", "/v1/recognitions", picture(), {"Content-Type": "image/jpeg"})
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_replica_starts_and_lives_before_its_response_queue_can_be_opened() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        assert (await send(replica, "GET", "/healthz")).status == 200
        assert json.loads((await send(replica, "GET", "/readyz")).body) == {"status": "ready", "version": "0.0.0"}


async def test_metrics_count_requests_by_route_and_status() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        for path in ("/v1/recognitions/00000000", "/v1/recognitions/11111111", "/nowhere"):
            await send(replica, "GET", path)
        metrics = (await send(replica, "GET", "/metrics")).text
    assert 'burstlens_web_requests_total{route="/v1/recognitions/{request_id}",status="404"} 2.0' in metrics
    assert 'burstlens_web_requests_total{route="none",status="404"} 1.0' in metrics


async def test_two_apps_in_one_process_share_nothing() -> None:
    lane = await memory_lane()
    async with serving(lane, replica="a") as a, serving(lane, replica="b") as b:
        await send(a, "GET", "/healthz")
        assert 'route="/healthz"' in (await send(a, "GET", "/metrics")).text
        assert 'route="/healthz"' not in (await send(b, "GET", "/metrics")).text


async def test_openapi_documents_every_error_of_every_route() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        document = json.loads((await send(replica, "GET", "/openapi.json")).body)
        assert (await send(replica, "GET", "/docs")).status == 200
    paths = document["paths"]
    posts = {path: operations["post"] for path, operations in paths.items() if "post" in operations}
    assert set(posts) == {"/", "/upload", "/v1/recognitions"}
    for operation in posts.values():
        assert {"200", "400", "405", "413", "415", "422", "500", "503"} <= set(operation["responses"])
        assert operation["requestBody"]["content"]["multipart/form-data"]
    assert "202" in posts["/v1/recognitions"]["responses"]
    assert "504" in posts["/"]["responses"]
    for path in ("/v1/recognitions/{request_id}", "/v1/recognitions/{request_id}/events"):
        assert {"200", "404", "503"} <= set(paths[path]["get"]["responses"])
    for operation in [posts["/v1/recognitions"], paths["/v1/recognitions/{request_id}"]["get"]]:
        for status, response in operation["responses"].items():
            assert status < "400" or list(response["content"]) == ["application/problem+json"]
    assert "ProblemDocument" in document["components"]["schemas"]
    text = json.dumps(document)
    assert [kind for kind in Kind if kind.type not in text] == []
    assert all(name in document["components"]["schemas"] for name in _references(document))


def _references(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"].rpartition("/")[2]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(_references, value.values()))
    return set().union(*map(_references, value)) if isinstance(value, list) else set()

"""A small OpenStack on loopback that misbehaves when it is told to; all else the lab's real one shows better."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from burstlens.openstack.session import COMPUTE_VERSION

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]

PROJECT, IMAGE, FLAVOR, NETWORK = "a" * 32, str(uuid.UUID(int=1)), str(uuid.UUID(int=2)), str(uuid.UUID(int=3))
_UNLIMITED = dict.fromkeys(("maxTotalInstances", "maxTotalCores", "maxTotalRAMSize"), -1)
_UNLIMITED |= dict.fromkeys(("totalInstancesUsed", "totalCoresUsed", "totalRAMUsed"), 0)
_HEADERS = {"OpenStack-API-Version": f"compute {COMPUTE_VERSION}"}


def refusal(status: int, text: str = "no", headers: dict[str, str] | None = None) -> Fault:
    """An answer as nova gives it."""

    async def answer(request: web.Request) -> web.StreamResponse:
        del request
        return web.json_response({"fault": {"code": status, "message": text}}, status=status, headers=headers)

    return answer


def page(status: int) -> Fault:
    """A proxy's own answer."""

    async def answer(request: web.Request) -> web.StreamResponse:
        del request
        return web.Response(status=status, text="<html><b>Bad day</b></html>", content_type="text/html")

    return answer


def body(content: object, headers: dict[str, str] | None = None, status: int = 200) -> Fault:
    """An answer that holds this, a success if not told otherwise."""

    async def answer(request: web.Request) -> web.StreamResponse:
        del request
        return web.json_response(content, headers=_HEADERS if headers is None else headers, status=status)

    return answer


async def hang(request: web.Request) -> web.StreamResponse:
    """No answer, for as long as somebody waits for it."""
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(0.05)
    return web.Response()


async def half(request: web.Request) -> web.StreamResponse:
    """The beginning of an answer."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json", **_HEADERS})
    await response.prepare(request)
    await response.write(b'{"servers": [')
    return await reset(request)


async def drip(request: web.Request) -> web.StreamResponse:
    """An answer whose parts always come in time, and never its end."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json", **_HEADERS})
    await response.prepare(request)
    for _ in range(40):
        await response.write(b" ")
        await asyncio.sleep(0.1)
    return await reset(request)


async def reset(request: web.Request) -> web.StreamResponse:
    """The connection is cut."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@dataclass
class OpenStackStub:
    """Keystone, nova, glance and neutron, with one flavor, image and network."""

    clouds: Path
    url: str = ""
    max_limit: int = 1000
    limits: dict[str, int] = field(default_factory=lambda: dict(_UNLIMITED))
    servers: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=lambda: [{"id": IMAGE, "name": "tiny", "status": "active"}])
    networks: list[dict[str, Any]] = field(
        default_factory=lambda: [{"id": NETWORK, "name": "private", "project_id": PROJECT, "router:external": False}]
    )
    _faults: list[tuple[str, str, Fault]] = field(default_factory=list)

    def fails(self, method: str, path: str, *faults: Fault) -> None:
        """The next requests of this method, to a path that ends so, are answered by these, one each."""
        self._faults += [(method, path, fault) for fault in faults]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        self.asked.append((request.method, request.path))
        for entry in self._faults:
            method, path, fault = entry
            if request.method == method and request.path.endswith(path):
                self._faults.remove(entry)
                return await fault(request)
        return await self.properly(request)

    async def properly(self, request: web.Request) -> web.StreamResponse:
        """The right answer."""
        _, service, *rest = request.path.split("/")
        if service == "v3":
            return self._token()
        if service == "compute" and rest[1:] and rest[1]:
            return await self._nova(request, rest[1:])
        found = {"images": self.images, "networks": self.networks}.get(request.path.rpartition("/")[2])
        if found is not None:
            name = request.query.get("name")
            items = [item for item in found if name in {None, item["name"]}]
            return web.json_response({request.path.rpartition("/")[2]: items})
        return self._versions(service)

    async def happened(self, request: web.Request) -> web.StreamResponse:
        """Do it, and do not say so."""
        await self.properly(request)
        return await reset(request)

    async def _nova(self, request: web.Request, path: list[str]) -> web.StreamResponse:
        if path == ["servers"]:
            asked = (await request.json())["server"]
            self.add(asked["name"], tags=asked["tags"], description=asked["description"], metadata=asked["metadata"])
            return self._json({"server": {"id": list(self.servers)[-1]}}, 202)
        if path == ["servers", "detail"]:
            return self._listed(request)
        if path == ["flavors", "detail"]:
            return self._json({"flavors": [{"id": FLAVOR, "name": "lab.tiny", "vcpus": 1, "ram": 512}]})
        if path == ["limits"]:
            return self._json({"limits": {"absolute": self.limits}})
        server = self.servers.get(path[1])
        if server is None:
            return web.json_response({"itemNotFound": {"code": 404, "message": "no such server"}}, status=404)
        if request.method == "DELETE":
            del self.servers[path[1]]
            return web.Response(status=204)
        return self._json({"server": server})

    def _listed(self, request: web.Request) -> web.StreamResponse:
        limit = min(int(request.query.get("limit", self.max_limit)), self.max_limit)
        if "changes-since" in request.query:
            return self._json({"servers": []})
        ids = [key for key, server in self.servers.items() if request.query.get("tags") in server["tags"]]
        marker = request.query.get("marker")
        start = ids.index(marker) + 1 if marker else 0
        shown = ids[start : start + limit]
        answer: dict[str, object] = {"servers": [self.servers[key] for key in shown]}
        if len(shown) == limit:
            # Wherever it leads: only the marker counts.
            answer["servers_links"] = [{"rel": "next", "href": "http://internal.invalid/servers"}]
        return self._json(answer)

    def add(self, name: str, status: str = "ACTIVE", fleet: str = "fleet-a", **more: object) -> str:
        """One more server; returns its id."""
        key = str(uuid.uuid4())
        self.servers[key] = {
            "id": key,
            "name": name,
            "status": status,
            "created": "2025-11-24T12:00:00Z",
            "OS-EXT-STS:task_state": None,
            "tags": [f"burstlens-fleet={fleet}"],
            "metadata": {"burstlens-pool": "private"},
            "description": None,
            **more,
        }
        return key

    def _json(self, answer: object, status: int = 200) -> web.Response:
        return web.json_response(answer, status=status, headers=_HEADERS)

    def _token(self) -> web.Response:
        catalog = [
            {"type": kind, "name": kind, "endpoints": [{"interface": "public", "region": "R", "url": self.url + path}]}
            for kind, path in {"compute": "/compute/v2.1", "image": "/image", "network": "/network"}.items()
        ]
        token = {
            "catalog": catalog,
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "issued_at": "2025-01-01T00:00:00.000000Z",
            "methods": ["application_credential"],
            "project": {"id": PROJECT, "name": "p", "domain": {"id": "default", "name": "Default"}},
            "user": {"id": "u", "name": "u", "domain": {"id": "default", "name": "Default"}},
        }
        return web.json_response({"token": token}, status=201, headers={"X-Subject-Token": "t"})

    def _versions(self, service: str) -> web.Response:
        version, path = {"compute": ("2.104", "v2.1"), "image": ("", "v2"), "network": ("", "v2.0")}[service]
        shown: dict[str, object] = {"id": path if service != "image" else "v2.9", "status": "CURRENT"}
        shown["links"] = [{"rel": "self", "href": f"{self.url}/{service}/{path}"}]
        if version:
            return web.json_response({"version": shown | {"version": version, "min_version": "2.1"}})
        return web.json_response({"versions": [shown]})


@asynccontextmanager
async def stub_in(folder: Path) -> AsyncIterator[OpenStackStub]:
    """One that answers while the block runs, with its entry `stub` in a ``clouds.yaml``."""
    stub = OpenStackStub(folder / "clouds.yaml")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stub.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    secret = {"auth_url": f"{stub.url}/v3", "application_credential_id": "i", "application_credential_secret": "s"}
    entry = {"region_name": "R", "auth_type": "v3applicationcredential", "auth": secret}
    stub.clouds.write_text(json.dumps({"clouds": {"stub": entry}}))
    try:
        yield stub
    finally:
        await runner.cleanup()

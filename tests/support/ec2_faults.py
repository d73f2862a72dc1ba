"""EC2 that fails when it is told to: microburst, a process on loopback before moto."""

import asyncio
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from support.aws_doubles import Double


def proxy_before(url: str) -> Double:
    """The process; it starts when its address is asked for."""
    program = Path(sys.executable).parent / "microburst"
    return Double((str(program), "--host", "127.0.0.1", "--port", "{port}", "--upstream", url), {})


class Faults:
    """What the proxy does. Inside ``async with`` it begins with nothing."""

    def __init__(self, url: str) -> None:
        self.url = url
        """Where EC2 answers, as far as a client of it knows."""

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(f"{self.url}/_microburst/")
        await self.clear()
        await self._ask("DELETE", "fired")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.clear()
        await self._http.close()
        await asyncio.sleep(0)

    async def error(self, operation: str, code: str, message: str = "no", **rule: object) -> None:
        """Refuse this operation: always, or as `rule` says (`times`, `body`)."""
        await self.add(operation, error={"code": code, "message": message}, **rule)

    async def add(self, operation: str, **rule: object) -> None:
        """One more rule of microburst's; the first that matches wins."""
        await self._ask("PATCH", "rules", [{"service": "ec2", "operation": operation, **rule}])

    async def clear(self) -> None:
        """Let everything pass."""
        await self._ask("POST", "rules", [])

    async def fired(self, operation: str) -> int:
        """How often a rule for this operation was applied."""
        return len(await self._ask("GET", f"fired?operation={operation}"))

    async def _ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - microburst's own shapes
        async with self._http.request(method, path, json=body) as response:
            response.raise_for_status()
            return await response.json()

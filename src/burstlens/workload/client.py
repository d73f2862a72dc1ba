"""The HTTP client of the workload generator: cheap per request, since it shares the machine with what it measures."""

import asyncio
import contextlib
import io
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from burstlens import __version__
from burstlens.clock import Clock, SystemClock
from burstlens.workload.formats import (
    Answer,
    Format,
    Refused,
    UnreadableAnswer,
    Upload,
    endpoint,
    read,
    read_problem,
)
from burstlens.workload.outcomes import Problem

RETRIED = frozenset({429, 503})
"""The statuses that say "not now": only these are tried again."""

KEEP_ALIVE_SECONDS = 4.0
"""Idle connections are closed before the server does it (uvicorn: 5 s), lest a request meets a closing one."""

LARGE_BODY_BYTES = 1 << 20
"""Beyond this, aiohttp wants a stream that it sends in pieces."""

POLL_SECONDS = 0.5
PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Reply:
    """How one request ended: with an answer or with a problem."""

    status: int | None = None
    answer: Answer | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    body: bytes
    retry_after: str | None
    location: str | None


class Client:
    """Posts uploads to one address. An asynchronous context manager; its connections are kept alive and shared.

    Without `timeout_seconds` it waits as long as the server does (answers may take 15 minutes). With it, the time
    counts for the whole request, retries included. An answer 429 or 503 is tried again up to `retries` times after the
    pause that ``Retry-After`` names, or 1 s.
    """

    def __init__(
        self,
        url: str,
        form: Format,
        *,
        connections: int,
        timeout_seconds: float | None = None,
        retries: int = 0,
        clock: Clock | None = None,
    ) -> None:
        address, self.form = endpoint(url, form)
        self.url = URL(address)
        self._connections = connections
        self._timeout_seconds = timeout_seconds
        self._retries = retries
        self._clock = clock or SystemClock()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=KEEP_ALIVE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"burstlens/{__version__}"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def choose_format(self) -> None:
        """Settle `auto` before anything is sent: `v1` if the server has that route and it takes POST, else `myfile`."""
        if self.form is not Format.AUTO:
            return
        address, _ = endpoint(str(self.url), Format.V1)
        self.form = Format.MYFILE
        # a server that cannot be reached now is found out by the requests themselves
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(PROBE_SECONDS), self._session.get(address) as response:
                if response.status == 405 and "POST" in response.headers.get("Allow", ""):
                    self.url, self.form = URL(address), Format.V1

    async def send(self, upload: Upload) -> Reply:
        """Post one upload and wait for its label. Whatever goes wrong is in the reply; only cancellation raises."""
        status: int | None = None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._post(upload)
                status = response.status
                if status != 200:
                    return Reply(status, problem=read_problem(status, response.body))
                return Reply(status, read(response.body, self.form))
        except (TimeoutError, Refused, UnreadableAnswer, aiohttp.ClientError) as error:
            return Reply(status, problem=self._problem(error))

    def _problem(self, error: Exception) -> Problem:
        match error:
            case Refused():
                return Problem(error.kind, str(error))
            case UnreadableAnswer():
                return Problem("unreadable-answer", str(error))
            case TimeoutError():
                return Problem("timeout", f"no answer within {self._timeout_seconds or 0:g} s")
            case aiohttp.ClientConnectorError():
                where = f"{error.host}:{error.port}"
                return Problem("no-connection", f"cannot connect to {where}: {_reason(error.os_error)}")
            case _:
                return Problem("disconnected", str(error) or type(error).__name__)

    async def _post(self, upload: Upload) -> _Response:
        response = await self._exchange("POST", self.url, upload)
        for _ in range(self._retries):
            if response.status not in RETRIED:
                break
            await self._clock.sleep(self._pause_seconds(response, 1.0))
            response = await self._exchange("POST", self.url, upload)
        if response.status == 202 and response.location and self.form is Format.V1:
            return await self._poll(response, response.location)
        return response

    async def _poll(self, response: _Response, location: str) -> _Response:
        """Ask where the 202 says the result will be, until it is there."""
        try:
            url = self.url.join(URL(location))
        except ValueError:
            message = f"the 202 names a Location that is no URL: {location[:100]!r}"
            raise UnreadableAnswer(message) from None
        while response.status == 202:
            await self._clock.sleep(self._pause_seconds(response, POLL_SECONDS))
            response = await self._exchange("GET", url, None)
        return response

    async def _exchange(self, method: str, url: URL, upload: Upload | None) -> _Response:
        data: bytes | io.BytesIO | None = None
        headers = None
        if upload is not None:
            headers = upload.headers
            data = upload.body if len(upload.body) <= LARGE_BODY_BYTES else io.BytesIO(upload.body)
        async with self._session.request(method, url, data=data, headers=headers, allow_redirects=False) as response:
            return _Response(
                response.status,
                await response.read(),
                response.headers.get("Retry-After"),
                response.headers.get("Location"),
            )

    def _pause_seconds(self, response: _Response, default: float) -> float:
        if response.retry_after is None:
            return default
        return retry_after_seconds(response.retry_after, self._clock.now(), default)


def retry_after_seconds(value: str, now: float, default: float) -> float:
    """The pause that a ``Retry-After`` header asks for, in seconds or as a date (RFC 9110, 10.2.3); else `default`.

    `now` is in seconds since the epoch.
    """
    if value.strip().isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return default
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.fromtimestamp(now, UTC)).total_seconds())


def _reason(error: OSError) -> str:
    """Why, in the system's own words where it has some: the event loop's repeat the address."""
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)
    return error.strerror or str(error)

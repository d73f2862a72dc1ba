"""SQS's own protocol, AWS JSON 1.0, over aiohttp: a call takes half the CPU time of botocore's client.

See bench/sqs_call.py for the measurement; the shapes are those of botocore's model of SQS, 2012-11-05.
"""

import asyncio
import io
import json
import random
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from burstlens.aws.errors import meaning
from burstlens.aws.session import AwsSession
from burstlens.clock import Clock
from burstlens.errors import BurstlensError, NotAuthorized, Throttled, Unavailable
from burstlens.queues.sqs.credentials import RecentCredentials
from burstlens.queues.sqs.endpoint import sqs_endpoint

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from botocore.credentials import ReadOnlyCredentials

ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.2
"""Between two attempts, doubled each time: the four take about a second together."""
_CONNECT_SECONDS, _SILENCE_SECONDS, _LONGEST_SECONDS = 5.0, 15.0, 60.0
"""To connect; without a byte of the answer; for all of a call, so that 1 MiB passes at 20 KB a second. What the call
itself waits for comes on top of the last two."""


class SqsApi:
    """One connection pool and one set of credentials. Every call may be repeated: it happens at least once, or raises.

    All calls raise `BurstlensError`, as what AWS's error means.
    """

    def __init__(self, session: AwsSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._credentials = RecentCredentials(session, clock)
        self._random = random.Random()  # noqa: S311  # spreads load, keeps no secret
        self._opening = asyncio.Lock()
        self._place: tuple[str, str] | None = None
        self._http: ClientSession | None = None
        self._closed = False

    async def call(self, action: str, *, patience_seconds: float = 0.0, **parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401 - AWS's own shapes
        """Call one action, such as ``ReceiveMessage``, and return its answer.

        Throttling, a service that is down and a lost connection are met with growing pauses and further attempts.

        Args:
            action: AWS's name of it.
            patience_seconds: how long the service itself may wait before it answers.
            **parameters: AWS's names and shapes.
        """
        body = json.dumps(parameters, ensure_ascii=False).encode()
        attempt = 1
        while True:
            credentials = await self._credentials.get()
            try:
                return await self._post(action, body, credentials, patience_seconds, _subject(action, parameters))
            except (Throttled, Unavailable):
                if attempt >= ATTEMPTS or self._closed:
                    raise
                await self.pause(attempt)
            except NotAuthorized:
                if attempt >= ATTEMPTS or not await self._credentials.renew(credentials):
                    raise
            attempt += 1

    async def pause(self, attempt: int) -> None:
        """Wait before the attempt after this one, 1 being the first; no two callers wait for the same time."""
        await self._clock.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * self._random.uniform(0.5, 1.5))

    async def close(self) -> None:
        """Close the connections; later calls raise `Unavailable`."""
        self._closed = True
        if self._http is not None:
            await self._http.close()

    async def _post(
        self, action: str, body: bytes, credentials: "ReadOnlyCredentials", patience_seconds: float, subject: str
    ) -> Mapping[str, Any]:
        import aiohttp

        http, url, region = await self._open()
        headers = _signed(url, region, action, body, credentials)
        timeout = aiohttp.ClientTimeout(
            total=_LONGEST_SECONDS + patience_seconds,
            sock_connect=_CONNECT_SECONDS,
            sock_read=_SILENCE_SECONDS + patience_seconds,
        )
        try:
            async with http.post(url, data=io.BytesIO(body), headers=headers, timeout=timeout) as response:
                data = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            message = f"{subject}: SQS does not answer: {str(error) or type(error).__name__}"
            raise Unavailable(message) from error
        if response.status == 200:
            return _parsed(data, subject)
        raise _refusal(response, data, subject)

    async def _open(self) -> "tuple[ClientSession, str, str]":
        """The connections, the address and the region, found on the first call."""
        if self._http is None or self._place is None:
            async with self._opening:
                if self._place is None:
                    self._place = await asyncio.to_thread(self._find)
                if self._http is None:
                    self._http = _connections(self._place[0])
        if self._closed:
            message = "this process has closed its queues"
            raise Unavailable(message)
        return self._http, *self._place

    def _find(self) -> tuple[str, str]:
        region = self._session.region
        return sqs_endpoint(self._session, region).rstrip("/") + "/", region


def _connections(url: str) -> "ClientSession":
    """As many as there are calls under way: a receive that waits holds one for 20 seconds."""
    import aiohttp

    scheme, _, rest = url.partition("://")
    direct = urllib.request.proxy_bypass(rest.partition("/")[0])
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        proxy=None if direct else urllib.request.getproxies().get(scheme),
    )


def _signed(url: str, region: str, action: str, body: bytes, credentials: "ReadOnlyCredentials") -> dict[str, str]:
    """The headers of this call, good for five minutes."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    headers = {"X-Amz-Target": f"AmazonSQS.{action}", "Content-Type": "application/x-amz-json-1.0"}
    request = AWSRequest("POST", url, headers=headers, data=body)
    SigV4Auth(credentials, "sqs", region).add_auth(request)
    return dict(request.headers.items())


def _subject(action: str, parameters: Mapping[str, Any]) -> str:
    """What was asked, and of which queue."""
    queue = str(parameters.get("QueueUrl") or parameters.get("QueueName") or "").rpartition("/")[2]
    return f"{action} {queue}".strip()


def _parsed(data: bytes, subject: str) -> Mapping[str, Any]:
    try:
        answer: Mapping[str, Any] = json.loads(data) if data else {}
    except ValueError as error:
        message = f"{subject}: SQS answers what is no JSON; is there something between it and here?"
        raise Unavailable(message) from error
    return answer


def _refusal(response: "ClientResponse", data: bytes, subject: str) -> BurstlensError:
    """What the error means; its documented code is in a header, another spelling of it in the body."""
    try:
        details = json.loads(data)
    except ValueError:  # a load balancer's own page
        details = {}
    details = details if isinstance(details, dict) else {}
    code = response.headers.get("x-amzn-query-error", "").partition(";")[0] or str(details.get("__type", ""))
    message = details.get("message") or details.get("Message") or f"HTTP status {response.status}"
    return meaning(code, str(message), subject, response.status)

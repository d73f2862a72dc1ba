"""What an EC2 instance is told about itself: the instance metadata service, version 2 alone."""

import asyncio
import os
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from burstlens.clock import Clock
from burstlens.clouds.ec2 import tags
from burstlens.errors import Misconfigured, Unavailable

_ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
"""botocore's own, so that one variable moves both."""
_ENDPOINT = "http://169.254.169.254"
"""Source of this address, the paths, the headers and the longest life of a token: the EC2 user guide, "Use the Instance
Metadata Service to access instance metadata"."""
_TOKEN_SECONDS = 21_600
_RENEW_SECONDS = 600.0
"""A token is renewed so long before its end."""
_TIMEOUT_SECONDS = 2.0
"""It answers from the machine's own host, within milliseconds."""

TRIES = 20
PAUSE_SECONDS = 1.0
LONGEST_WAIT_SECONDS = TRIES * (_TIMEOUT_SECONDS + PAUSE_SECONDS)
"""What a booting instance may need until its metadata answers. cloud-init has read its user data there before any
worker starts, so a minute is plenty."""


class Metadata:
    """A client of the metadata service.

    It never asks without a token (IMDSv1), nor through a proxy: the service refuses what came through one, and another
    machine's proxy would have other metadata.

    Raises:
        Misconfigured: on creation, when the endpoint in the environment is no ``http://`` URL.
    """

    def __init__(self, clock: Clock) -> None:
        self.endpoint = os.environ.get(_ENDPOINT_VARIABLE) or _ENDPOINT
        parts = urlsplit(self.endpoint)
        if parts.scheme != "http" or not parts.hostname:
            message = f"{_ENDPOINT_VARIABLE}={self.endpoint} is no URL such as {_ENDPOINT}"
            raise Misconfigured(message)
        self._address = parts.netloc
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0

    async def get(self, path: str) -> str | None:
        """The value at ``/latest/PATH``, such as ``meta-data/instance-id``; None when there is none.

        Raises:
            Unavailable: the service does not answer, or refuses.
        """
        status, text = await self._get(path)
        if status == 401:
            self._token = ""
            status, text = await self._get(path)
        if status not in {200, 404}:
            raise self._unavailable(path, f"status {status}")
        return text if status == 200 else None

    async def _get(self, path: str) -> tuple[int, str]:
        if not self._token or self._clock.now() >= self._renew_at:
            await self._renew()
        return await self._ask("GET", path, {"X-aws-ec2-metadata-token": self._token})

    async def _renew(self) -> None:
        asked_at, path = self._clock.now(), "api/token"
        status, text = await self._ask("PUT", path, {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)})
        if status != 200:
            raise self._unavailable(path, f"status {status}")
        self._token, self._renew_at = text, asked_at + _TOKEN_SECONDS - _RENEW_SECONDS

    async def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        return await asyncio.to_thread(self._ask_blocking, method, path, headers)

    def _ask_blocking(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        connection = HTTPConnection(self._address, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(method, f"/latest/{path}", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, HTTPException) as error:
            raise self._unavailable(path, str(error) or type(error).__name__) from error
        finally:
            connection.close()

    def _unavailable(self, path: str, why: str) -> Unavailable:
        return Unavailable(f"instance metadata: {self.endpoint}/latest/{path}: {why}")


async def own_environment(metadata: Metadata, clock: Clock) -> dict[str, str]:
    """Who this instance is, as `burstlens.settings.adapters.identity` reads it; waits for an instance that boots.

    The metadata may be kept from showing tags; then the instance goes by its id, as it does in the fleet.

    Raises:
        Unavailable: the metadata does not answer for a minute.
    """
    for _ in range(TRIES - 1):
        try:
            return await _own_environment(metadata)
        except Unavailable:
            await clock.sleep(PAUSE_SECONDS)
    try:
        return await _own_environment(metadata)
    except Unavailable as error:
        message = f"BURSTLENS_CLOUD=ec2 says that this is an EC2 instance, but its metadata does not answer: {error}"
        raise Unavailable(message) from error


async def _own_environment(metadata: Metadata) -> dict[str, str]:
    own_id = await metadata.get("meta-data/instance-id")
    if not own_id:
        message = f"{metadata.endpoint} knows no instance-id"
        raise Unavailable(message)
    return {
        "BURSTLENS_INSTANCE_ID": own_id,
        "BURSTLENS_INSTANCE": await own_tag(metadata, tags.NAME) or own_id,
        "BURSTLENS_POOL": await own_tag(metadata, tags.POOL) or "",
    }


async def own_tag(metadata: Metadata, key: str) -> str | None:
    """The value of one of this instance's tags; None when it has none of this key, or its metadata shows no tags.

    Raises:
        Unavailable: the metadata does not answer.
    """
    return await metadata.get(f"meta-data/tags/instance/{key}")

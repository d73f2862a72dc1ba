"""What the tests of the AWS lab look at: moto itself, and what the machine is left with."""

import asyncio
import contextlib
import os
import threading
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from burstlens.aws.session import call_blocking
from lab.account import CREDENTIALS
from lab.aws import CONFIG, AwsLab
from lab.server import serving
from support.commands import SLOW_MACHINE_SECONDS, Home, Running
from support.eventually import eventually

if TYPE_CHECKING:
    from botocore.client import BaseClient

SAMPLE_SECONDS = 0.3
_MICROBURST = (
    # It takes Content-Length off every answer that it passes on, and obstore refuses such answers of S3.
    "import random, sys; from microburst import cli, forward; forward.HOP_BY_HOP -= {'content-length'}"
)
_LISTENING = "0A"
"""The state of a socket in /proc/net/tcp that waits for connections."""


@contextlib.asynccontextmanager
async def sampling(look: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Look at once, and then every `SAMPLE_SECONDS` while the block runs."""
    await look()

    async def keep_looking() -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            await look()

    looking = asyncio.create_task(keep_looking())
    try:
        yield
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking


@dataclass
class Watch:
    """The instances that moto has, looked at again and again."""

    counts: list[int] = field(default_factory=list)
    """How many were not terminated, at each look."""
    instances: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Every instance there ever was, as it was last seen."""

    @property
    def now(self) -> int:
        """The last count."""
        return self.counts[-1]

    async def peak(self, at_least: int) -> None:
        """Wait until there have been so many at once."""

        async def reached() -> bool:
            return max(self.counts) >= at_least

        await eventually(reached, SLOW_MACHINE_SECONDS)

    async def none_left(self) -> None:
        async def none() -> bool:
            return self.now == 0

        await eventually(none, 2 * SLOW_MACHINE_SECONDS)


class Account:
    """What is in the lab's account, read from moto without burstlens."""

    def __init__(self, lab: AwsLab) -> None:
        self._lab = lab
        self._clients: dict[str, BaseClient] = {}

    async def call(self, service: str, operation: str, **parameters: object) -> Mapping[str, Any]:
        return await asyncio.to_thread(self._call, service, operation, parameters)

    def _call(self, service: str, operation: str, parameters: Mapping[str, object]) -> Mapping[str, Any]:
        if service not in self._clients:
            self._clients[service] = self._lab.client(service)
        return call_blocking(self._clients[service], operation, **parameters)

    async def objects(self, kind: str) -> dict[str, bytes]:
        """Every object of the bucket `inputs`, `outputs` or `fleet`, by its key."""
        bucket = tomllib.loads(CONFIG.read_text())["buckets"][kind].removeprefix("s3://")
        listed = await self.call("s3", "list_objects_v2", Bucket=bucket)
        assert not listed["IsTruncated"]
        keys = [entry["Key"] for entry in listed.get("Contents", [])]
        return {key: await self._object(bucket, key) for key in keys}

    async def _object(self, bucket: str, key: str) -> bytes:
        def read() -> bytes:
            body: bytes = self._call("s3", "get_object", {"Bucket": bucket, "Key": key})["Body"].read()
            return body

        return await asyncio.to_thread(read)

    async def beats(self, *, without: set[int]) -> set[int]:
        """The pids of workers that have written a heartbeat, once there is one that is none of those."""

        async def found() -> set[int]:
            keys = [key for key in await self.objects("fleet") if key.startswith("heartbeats/")]
            return {int(key.removesuffix(".json").rpartition("-")[2]) for key in keys} - without

        async def some() -> bool:
            return bool(await found())

        await eventually(some, SLOW_MACHINE_SECONDS)
        return await found()

    async def queues(self) -> dict[str, int]:
        """How many messages each queue holds, visible, leased and delayed, by its name."""
        urls = (await self.call("sqs", "list_queues")).get("QueueUrls", [])
        return {url.rpartition("/")[2]: await self._depth(url) for url in urls}

    async def no_request_is_left(self) -> None:
        """Wait until the request queue holds nothing, neither visible nor leased."""

        async def none() -> bool:
            return (await self.queues())["lab-requests"] == 0

        await eventually(none, SLOW_MACHINE_SECONDS)

    async def _depth(self, url: str) -> int:
        answer = await self.call("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
        names = ("", "NotVisible", "Delayed")
        return sum(int(answer["Attributes"][f"ApproximateNumberOfMessages{name}"]) for name in names)

    async def instances(self) -> dict[str, Mapping[str, Any]]:
        """Every instance that moto remembers, by its id."""
        answer = await self.call("ec2", "describe_instances")
        return {i["InstanceId"]: i for reservation in answer["Reservations"] for i in reservation["Instances"]}

    @contextlib.asynccontextmanager
    async def watch(self) -> AsyncIterator[Watch]:
        """Look at the instances while the block runs."""
        watch = Watch()
        async with sampling(lambda: self._look(watch)):
            yield watch

    async def _look(self, watch: Watch) -> None:
        watch.instances |= await self.instances()
        watch.counts.append(sum(i["State"]["Name"] != "terminated" for i in watch.instances.values()))


async def start(home: Home, endpoint: str, command: str, config: Path = CONFIG, **environment: str) -> Running:
    """Start a command of burstlens on the lab's deployment, as a person would."""
    given = {**CREDENTIALS, "BURSTLENS_AWS__ENDPOINT": endpoint, "BURSTLENS_WEB__PORT": "0"}
    return await home.start(command, "--config", config, **{**given, **environment})


@dataclass(frozen=True)
class Storm:
    """A proxy before moto that answers some calls with errors."""

    url: str

    async def follow(self, rules: Sequence[Mapping[str, object]]) -> None:
        """Have it answer by these rules alone from now on."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/_microburst/rules", json=rules) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def fired(self) -> Counter[str]:
        """How often it has answered with which error, such as ``error:VcpuLimitExceeded``, so far."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/_microburst/fired") as answer:
            assert answer.status == 200
            return Counter(event["action"] for event in await answer.json())


def rule(code: str, status: int, **which: object) -> Mapping[str, object]:
    """A rule of microburst's: calls of EC2 that it answers with this error."""
    return {"service": "ec2", **which, "error": {"code": code, "status": status}}


@contextlib.asynccontextmanager
async def storming(endpoint: str, rules: Sequence[Mapping[str, object]], seed: int) -> AsyncIterator[Storm]:
    """Put microburst before the lab, with these rules; its dice begin with the seed."""
    program = f"{_MICROBURST}; random.seed({seed}); sys.exit(cli.main(sys.argv[1:]))"
    async with serving(("-c", program, "--upstream", endpoint, "--port", "{port}"), 0) as url:
        storm = Storm(url)
        await storm.follow(rules)
        yield storm


def remains(folder: Path) -> dict[str, set[Any]]:
    """What a test may leave behind: processes that know the folder, ports of this process, and its threads."""
    return {"processes": processes(folder), "ports": _ports(), "threads": _threads()}


def processes(folder: Path) -> set[int]:
    """Every process whose environment names the folder, or something in it."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(folder) in (process / "environ").read_bytes():
                found.add(int(process.name))
    return found


def _ports() -> set[int]:
    """The TCP ports that this process listens on."""
    links = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(str(path.readlink()))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTENING and f"socket:[{row[9]}]" in links
    }


def _threads() -> set[threading.Thread]:
    """All but those that asyncio keeps for calls that block and for processes that end."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith(("asyncio_", "waitpid-"))}

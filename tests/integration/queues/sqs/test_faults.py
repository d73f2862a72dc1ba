"""Whatever goes wrong on the way to SQS: what is tried again, what it ends as, and that nothing is lost."""

import asyncio
import json
import secrets
import socket
import stat
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from burstlens.clock import SystemClock
from burstlens.errors import BurstlensError, Misconfigured, NotAuthorized, NotFound, Throttled, Unavailable
from burstlens.queues.base import Delivery, Message, Queue, QueueOptions
from burstlens.queues.sqs.api import ATTEMPTS
from burstlens.queues.sqs.queues import SqsQueues
from support.aws_doubles import REGION, Doubles
from support.queue_backends import sqs_queues
from support.sqs_server import (
    Call,
    Fault,
    SqsServer,
    drops,
    fails_entries,
    loses_the_answer,
    refuses,
    refuses_in_header,
    shows_a_page,
    sqs_server,
    talks_nonsense,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("aws_credentials")]

OPTIONS = QueueOptions(lease_seconds=60, max_attempts=2)


class HurriedClock(SystemClock):
    """Notes every pause, and makes none."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture
async def server(doubles: Doubles) -> AsyncIterator[SqsServer]:
    async with sqs_server(doubles.ministack.url) as server:
        yield server


@pytest.fixture
def unused_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def clock() -> HurriedClock:
    return HurriedClock()


@pytest.fixture
async def queues(server: SqsServer, clock: HurriedClock) -> AsyncIterator[SqsQueues]:
    queues = sqs_queues(server.url, f"f{secrets.token_hex(4)}-", clock=clock)
    yield queues
    await queues.close()


@pytest.fixture
async def queue(queues: SqsQueues) -> Queue:
    return await queues.create("requests", OPTIONS)


def bodies(deliveries: list[Delivery]) -> list[str]:
    return sorted(delivery.body for delivery in deliveries)


# Whole calls


@pytest.mark.parametrize(
    "fault",
    [
        refuses("RequestThrottled"),
        refuses("ThrottlingException"),
        refuses("InternalFailure", 500),
        refuses("ServiceUnavailable", 503),
        shows_a_page,
        talks_nonsense,
        drops,
    ],
)
async def test_what_passes_is_tried_again(fault: Fault, server: SqsServer, queue: Queue, clock: HurriedClock) -> None:
    server.faults["SendMessageBatch"].extend([fault] * (ATTEMPTS - 1))
    await queue.send([Message("m")])
    assert bodies(await queue.receive(10, 0)) == ["m"]
    assert len(server.of("SendMessageBatch")) == ATTEMPTS
    assert len(clock.pauses) == ATTEMPTS - 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (refuses("RequestThrottled"), Throttled),
        (refuses("InternalFailure", 500), Unavailable),
        (shows_a_page, Unavailable),
        (talks_nonsense, Unavailable),
        (drops, Unavailable),
    ],
)
async def test_what_does_not_pass_is_raised_in_the_end(
    fault: Fault, error: type[BurstlensError], server: SqsServer, queue: Queue, clock: HurriedClock
) -> None:
    server.faults["GetQueueAttributes"].extend([fault] * ATTEMPTS)
    with pytest.raises(error, match="GetQueueAttributes"):
        await queue.depth()
    assert [0.1 * 2**n <= pause <= 0.3 * 2**n for n, pause in enumerate(clock.pauses)] == [True] * (ATTEMPTS - 1)
    assert len({pause / 2**n for n, pause in enumerate(clock.pauses)}) == ATTEMPTS - 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (refuses("QueueDoesNotExist"), NotFound),
        (refuses_in_header("AWS.SimpleQueueService.NonExistentQueue"), NotFound),
        (refuses_in_header("AccessDenied"), NotAuthorized),
        (refuses("UnsupportedOperation"), Misconfigured),
    ],
)
async def test_what_would_end_the_same_way_is_raised_at_once(
    fault: Fault, error: type[BurstlensError], server: SqsServer, queue: Queue, clock: HurriedClock
) -> None:
    server.faults["SendMessageBatch"].append(fault)
    with pytest.raises(error, match=r"SendMessageBatch f\w+-requests: .*because"):
        await queue.send([Message("m")])
    assert len(server.of("SendMessageBatch")) == 1
    assert clock.pauses == []


async def test_a_lost_answer_duplicates_and_loses_nothing(server: SqsServer, queue: Queue) -> None:
    server.faults["SendMessageBatch"].append(loses_the_answer)
    await queue.send([Message("a"), Message("b")])
    deliveries = await queue.receive(10, 0)
    assert bodies(deliveries) == ["a", "a", "b", "b"]
    server.faults["DeleteMessageBatch"].append(loses_the_answer)
    await queue.delete(deliveries)
    assert (await queue.depth()).total == 0


async def test_nobody_there_is_unavailable(clock: HurriedClock, unused_url: str) -> None:
    queues = sqs_queues(unused_url, "", clock=clock)
    with pytest.raises(Unavailable, match="does not answer"):
        await queues.names()
    await queues.close()


async def test_closed_queues_are_unavailable_also_to_who_waits(server: SqsServer, queues: SqsQueues) -> None:
    queue = await queues.create("requests", OPTIONS)
    waiting = asyncio.create_task(queue.receive(1, 900))
    while not server.of("ReceiveMessage"):
        await asyncio.sleep(0.01)
    await queues.close()
    for call in (waiting, queue.depth(), queues.names()):
        with pytest.raises(Unavailable):
            await call
    await queues.close()


async def test_a_cancelled_receive_hangs_up(server: SqsServer, queue: Queue) -> None:
    waiting = asyncio.create_task(queue.receive(1, 900))
    while not server.of("ReceiveMessage"):
        await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait([waiting])
    async with asyncio.timeout(10):
        while not server.abandoned:
            await asyncio.sleep(0.01)
    await queue.send([Message("m")])
    assert waiting.cancelled()


# Single entries


async def test_entries_that_fail_for_a_while_are_sent_again_one_by_one(server: SqsServer, queue: Queue) -> None:
    server.faults["SendMessageBatch"].extend(
        [fails_entries("InternalError", 1, 3), fails_entries("RequestThrottled", 0)]
    )
    await queue.send([Message(body) for body in "abcde"])
    assert bodies(await queue.receive(10, 0)) == ["a", "b", "c", "d", "e"]
    sizes = [len(call.parameters["Entries"]) for call in server.of("SendMessageBatch")]
    assert sizes == [5, 1, 1, 1]


async def test_an_entry_that_fails_for_good_raises_what_it_means(
    server: SqsServer, queue: Queue, clock: HurriedClock
) -> None:
    server.faults["SendMessageBatch"].append(fails_entries("AccessDenied", 1))
    with pytest.raises(NotAuthorized, match="because"):
        await queue.send([Message(body) for body in "abc"])
    assert bodies(await queue.receive(10, 0)) == ["a", "c"]
    assert clock.pauses == []
    server.faults["SendMessageBatch"].extend([fails_entries("InternalError", 0)] * ATTEMPTS)
    with pytest.raises(Unavailable):
        await queue.send([Message("m")])
    assert len(clock.pauses) == ATTEMPTS - 1


async def test_a_failed_delete_is_repeated_and_a_stale_one_ignored(server: SqsServer, queue: Queue) -> None:
    await queue.send([Message(body) for body in "abc"])
    deliveries = await queue.receive(10, 0)
    server.faults["DeleteMessageBatch"].extend([fails_entries("InternalError", 0), fails_entries("InternalError", 0)])
    await queue.delete(deliveries)
    assert (await queue.depth()).total == 0
    await queue.send([Message("d")])
    server.faults["DeleteMessageBatch"].append(fails_entries("ReceiptHandleIsInvalid", 0))
    await queue.delete(await queue.receive(10, 0))


async def test_what_could_not_be_given_up_may_be_given_up_again(server: SqsServer, queue: Queue) -> None:
    await queue.send([Message("m")])
    deliveries = await queue.receive(10, 0)
    server.faults["ChangeMessageVisibilityBatch"].append(fails_entries("AccessDenied", 0))
    with pytest.raises(NotAuthorized):
        await queue.release(deliveries)
    assert await queue.extend(deliveries, 100) == []
    server.faults["DeleteMessageBatch"].append(fails_entries("AccessDenied", 0))
    with pytest.raises(NotAuthorized):
        await queue.delete(deliveries)
    await queue.delete(deliveries)
    assert (await queue.depth()).total == 0


@pytest.mark.parametrize("code", ["ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"])
async def test_whatever_sqs_calls_a_stale_receipt_is_lost(code: str, server: SqsServer, queue: Queue) -> None:
    await queue.send([Message(body) for body in "abc"])
    deliveries = await queue.receive(10, 0)
    server.faults["ChangeMessageVisibilityBatch"].append(fails_entries(code, 1))
    assert await queue.extend(deliveries, 100) == [deliveries[1]]
    server.faults["ChangeMessageVisibilityBatch"].append(fails_entries(code, 1))
    await queue.bury(deliveries, "why")
    assert sorted(letter.body for letter in await queue.dead_letters()) == sorted(
        delivery.body for delivery in deliveries if delivery is not deliveries[1]
    )


async def test_a_burial_that_dies_half_way_loses_nothing(server: SqsServer, queue: Queue) -> None:
    await queue.send([Message("m")])
    deliveries = await queue.receive(10, 0)
    server.faults["DeleteMessageBatch"].append(refuses_in_header("AccessDenied"))
    with pytest.raises(NotAuthorized):
        await queue.bury(deliveries, "why")
    assert [letter.body for letter in await queue.dead_letters()] == ["m"]
    assert (await queue.depth()).in_flight == 1
    await queue.bury(deliveries, "why")
    assert (await queue.depth()).total == 0


# Credentials and signatures


def expected_signature(call: Call, url: str) -> str:
    """What botocore computes for the request as it arrived."""
    _, signed, _ = call.headers["Authorization"].split(", ")
    headers = {name: call.headers[name] for name in signed.removeprefix("SignedHeaders=").split(";")}
    request = AWSRequest("POST", url + "/", headers=headers, data=call.body)
    request.context["timestamp"] = call.headers["X-Amz-Date"]
    signer = SigV4Auth(Credentials("double", "double"), "sqs", REGION)
    return signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)


async def test_what_arrives_is_what_was_signed(server: SqsServer, queue: Queue) -> None:
    await queue.send([Message("Zażółć 漢字 🚀")])
    for call in server.calls:
        assert call.headers["Content-Type"] == "application/x-amz-json-1.0"
        assert call.headers["Content-Length"] == str(len(call.body))
        assert call.headers["Authorization"].endswith(f"Signature={expected_signature(call, server.url)}")


@pytest.fixture
def new_keys_each_time(aws_credentials: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A credential process that hands out KEY1, KEY2, … for a few minutes each, as an instance's role does."""
    del aws_credentials
    count = tmp_path / "count"
    program = tmp_path / "keys"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib\n"
        f"count = pathlib.Path({str(count)!r})\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        f"until = {(datetime.now(UTC) + timedelta(minutes=5)).isoformat()!r}\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'KEY{number}', 'SecretAccessKey': 'secret',"
        " 'SessionToken': f'token{number}', 'Expiration': until}))\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")


@pytest.mark.usefixtures("new_keys_each_time")
async def test_expired_credentials_are_renewed(server: SqsServer, queue: Queue) -> None:
    old = server.calls[-1].access_key
    assert {call.access_key for call in server.calls} == {old}
    server.faults["SendMessageBatch"].append(refuses("ExpiredTokenException"))
    await queue.send([Message("m")])
    await queue.depth()
    refused, repeated, later = server.calls[-3:]
    assert refused.access_key == old
    assert repeated.access_key == later.access_key != old
    assert repeated.headers["X-Amz-Security-Token"] == f"token{later.access_key.removeprefix('KEY')}"


@pytest.mark.usefixtures("new_keys_each_time")
async def test_being_refused_with_whatever_credentials_is_raised(server: SqsServer, queue: Queue) -> None:
    server.faults["SendMessageBatch"].extend([refuses("AccessDenied")] * 100)
    with pytest.raises(NotAuthorized, match="because"):
        await queue.send([Message("m")])
    assert len(server.of("SendMessageBatch")) == ATTEMPTS


@pytest.mark.usefixtures("new_keys_each_time")
async def test_credentials_that_are_used_up_by_time_are_asked_for_again(server: SqsServer, queues: SqsQueues) -> None:
    await queues.names()
    queues._api._credentials._asked_at -= 61
    await asyncio.gather(*(queues.names() for _ in range(5)))
    first, *others = (call.access_key for call in server.calls)
    assert len(set(others)) == 1
    assert others[0] != first


async def test_without_credentials_the_operator_is_told(
    server: SqsServer, queues: SqsQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(NotAuthorized, match="no AWS credentials"):
        await queues.names()
    assert server.calls == []


async def test_the_body_of_a_call_is_json_without_escapes(server: SqsServer, queue: Queue) -> None:
    """Escaped, most of the world's text would be two to three times as large on the wire."""
    await queue.send([Message("漢字")])
    (call,) = server.of("SendMessageBatch")
    assert "漢字".encode() in call.body
    assert json.loads(call.body)["Entries"][0]["MessageBody"] == "漢字"

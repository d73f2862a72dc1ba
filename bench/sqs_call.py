"""What a call of SQS costs a worker in CPU time: this client against botocore's in a thread, on the same double.

A worker makes three calls for a request: it receives the request with its image, sends the result and deletes the
request. Only this process is counted; the double is another one, without TLS. Both clients sign.
"""

import functools
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import uvloop
from botocore.config import Config
from botocore.session import get_session

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession, call
from burstlens.clock import SystemClock
from burstlens.queues.base import Message, Queue, QueueOptions
from burstlens.queues.sqs.queues import SqsQueues
from support.aws_doubles import CREDENTIALS, REGION, Double, Doubles

IMAGE_BYTES = 100_000
REQUEST = "x" * (IMAGE_BYTES * 4 // 3)
RESULT = "x" * 800
ROUNDS = 20
LIMIT_MS = 2.0
"""Of a request, for all calls of SQS together."""

Cycle = Callable[[], Awaitable[None]]
"""The calls for one request."""


async def own(requests: Queue, replies: Queue) -> None:
    deliveries = await requests.receive(1, wait_seconds=20)
    await replies.send([Message(RESULT)])
    await requests.delete(deliveries)


async def botocores(ask: Callable[..., Awaitable[Mapping[str, Any]]], requests: str, replies: str) -> None:
    answer = await ask(
        "receive_message",
        QueueUrl=requests,
        MaxNumberOfMessages=1,
        WaitTimeSeconds=20,
        MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
    )
    await ask("send_message", QueueUrl=replies, MessageBody=RESULT)
    for message in answer["Messages"]:
        await ask("delete_message", QueueUrl=requests, ReceiptHandle=message["ReceiptHandle"])


async def cpu_ms(cycle: Cycle, count: int) -> float:
    before = time.process_time()
    for _ in range(count):
        await cycle()
    return (time.process_time() - before) * 1000 / count


async def measure(double: Double, count: int) -> tuple[float, float]:
    """CPU milliseconds of one request, with this client and with botocore's; the least of a few rounds in turn."""
    session = AwsSession(AwsOptions(region=REGION, endpoint=double.url))
    queues = SqsQueues(session, SystemClock(), "bench-")
    requests = await queues.create("requests", QueueOptions(lease_seconds=600))
    replies = await queues.create("responses-bench", QueueOptions())
    client = get_session().create_client(
        "sqs", region_name=REGION, endpoint_url=double.url, config=Config(retries={"mode": "standard"})
    )
    urls = [
        (await call(client, "get_queue_url", QueueName=f"bench-{queue.name}"))["QueueUrl"]
        for queue in (requests, replies)
    ]
    cycles: list[Cycle] = [
        functools.partial(own, requests, replies),
        functools.partial(botocores, functools.partial(call, client), *urls),
    ]
    rounds: list[list[float]] = []
    for _ in range(ROUNDS):
        costs = []
        for cycle in cycles:
            await requests.send([Message(REQUEST)] * count)
            costs.append(await cpu_ms(cycle, count))
        rounds.append(costs)
    for queue in (requests, replies):
        await queues.remove(queue.name)
    await queues.close()
    mine, theirs = (min(costs) for costs in zip(*rounds, strict=True))
    return mine, theirs


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    os.environ.update(CREDENTIALS)
    doubles = Doubles()
    try:
        mine, theirs = uvloop.run(measure(doubles.ministack, count))
    finally:
        doubles.stop()
    print(f"CPU time of a worker for one request of {IMAGE_BYTES // 1000} KB: receive, send, delete")
    print(f"{'client':>20} {'ms/request':>11} {'ms/call':>8} {'ratio':>6}")
    print(f"{'botocore in a thread':>20} {theirs:>11.2f} {theirs / 3:>8.2f} {1:>6.2f}")
    print(f"{'burstlens':>20} {mine:>11.2f} {mine / 3:>8.2f} {mine / theirs:>6.2f}")
    print(f"the limit is {LIMIT_MS} ms a request: {'kept' if mine < LIMIT_MS else 'MISSED'}")


if __name__ == "__main__":
    main()

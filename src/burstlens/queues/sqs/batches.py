"""Splitting entries into calls, and what each entry of a call came to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from burstlens.aws.errors import bare_code, meaning
from burstlens.errors import BurstlensError, Throttled, Unavailable
from burstlens.queues.sqs.api import ATTEMPTS, SqsApi
from burstlens.queues.sqs.limits import MAX_BATCH, MAX_BATCH_BYTES

Entry = dict[str, Any]
"""One entry of a call, in AWS's own shape, without its ``Id``."""

_LOST = {"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"}
"""How SQS says that a receipt is of no use any more: never valid; visible again; expired, deleted, received by somebody
else or twelve hours old."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An entry that SQS did not take."""

    index: int
    """Which of the entries."""
    lost: bool
    """Whether that is because its receipt is stale."""
    error: BurstlensError


def entry_bytes(entry: Mapping[str, Any]) -> int:
    """What it counts towards a call's limit: its body, and name, type and value of its message attributes."""
    attributes: Mapping[str, Mapping[str, str]] = entry.get("MessageAttributes", {})
    texts = [entry.get("MessageBody", "")]
    for name, value in attributes.items():
        texts += [name, value["DataType"], value["StringValue"]]
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)


def split(entries: Sequence[Mapping[str, Any]]) -> Iterator[range]:
    """The entries of each call, in order: at most ten, of at most 1 MiB together. None may be larger by itself."""
    start = size = 0
    for index, entry in enumerate(entries):
        own = entry_bytes(entry)
        if index > start and (index - start == MAX_BATCH or size + own > MAX_BATCH_BYTES):
            yield range(start, index)
            start, size = index, 0
        size += own
    if entries:
        yield range(start, len(entries))


async def call_in_batches(api: SqsApi, action: str, url: str, entries: Sequence[Entry]) -> list[Failure]:
    """Call with all entries, and return those that SQS would not take in the end.

    An entry that failed for a reason that passes is tried again by itself, with growing pauses.

    Raises:
        BurstlensError: a whole call failed; those before it have happened.
    """
    failures: list[Failure] = []
    for batch in split(entries):
        for failure in await _call(api, action, url, entries, batch):
            last: Failure | None = failure
            for attempt in range(1, ATTEMPTS):
                if last is None or not isinstance(last.error, Throttled | Unavailable):
                    break
                await api.pause(attempt)
                last = next(iter(await _call(api, action, url, entries, [last.index])), None)
            if last is not None:
                failures.append(last)
    return failures


def raise_unless_lost(failures: Sequence[Failure]) -> None:
    """Pass when all of these only had stale receipts."""
    for failure in failures:
        if not failure.lost:
            raise failure.error


async def _call(api: SqsApi, action: str, url: str, entries: Sequence[Entry], batch: Sequence[int]) -> list[Failure]:
    answer = await api.call(action, QueueUrl=url, Entries=[{"Id": str(index), **entries[index]} for index in batch])
    return [
        Failure(
            int(failed["Id"]),
            bare_code(failed["Code"]) in _LOST,
            meaning(failed["Code"], failed.get("Message", ""), action),
        )
        for failed in answer.get("Failed", ())
    ]

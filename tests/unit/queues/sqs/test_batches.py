"""How entries are split into calls."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from burstlens.queues.sqs.batches import Entry, entry_bytes, split
from burstlens.queues.sqs.limits import MAX_BATCH, MAX_BATCH_BYTES

SIZES = st.lists(st.integers(1, 2000) | st.integers(90_000, MAX_BATCH_BYTES), max_size=40)


def entries_of(sizes: list[int]) -> list[Entry]:
    return [{"MessageBody": "x" * size} for size in sizes]


@given(SIZES)
def test_every_entry_is_in_one_call_in_order_and_no_call_is_too_large(sizes: list[int]) -> None:
    batches = list(split(entries_of(sizes)))
    assert [index for batch in batches for index in batch] == list(range(len(sizes)))
    for batch in batches:
        assert 1 <= len(batch) <= MAX_BATCH
        assert sum(sizes[index] for index in batch) <= MAX_BATCH_BYTES


@given(SIZES)
def test_no_call_could_have_taken_the_next_entry(sizes: list[int]) -> None:
    batches = list(split(entries_of(sizes)))
    for batch, following in itertools.pairwise(batches):
        full = len(batch) == MAX_BATCH
        assert full or sum(sizes[index] for index in batch) + sizes[following[0]] > MAX_BATCH_BYTES


def test_nothing_is_no_call() -> None:
    assert list(split([])) == []


def test_an_entry_counts_its_body_and_its_attributes_in_bytes() -> None:
    attributes = {"näme": {"DataType": "String", "StringValue": "€"}, "n": {"DataType": "Number", "StringValue": "12"}}
    assert entry_bytes({"MessageBody": "äb"}) == 3
    assert entry_bytes({"MessageBody": "äb", "MessageAttributes": attributes}) == 3 + (5 + 6 + 3) + (1 + 6 + 2)
    assert entry_bytes({"ReceiptHandle": "anything"}) == 0


def test_attributes_count_towards_the_size_of_a_call() -> None:
    half = MAX_BATCH_BYTES // 2
    attributes = {"n": {"DataType": "Number", "StringValue": "1"}}
    plain, adorned = {"MessageBody": "x" * half}, {"MessageBody": "x" * half, "MessageAttributes": attributes}
    assert list(split([plain, plain])) == [range(2)]
    assert list(split([plain, adorned])) == [range(1), range(1, 2)]

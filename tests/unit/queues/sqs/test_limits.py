"""What SQS takes, and what is refused before it is asked."""

import pytest

from burstlens.queues.base import Message
from burstlens.queues.sqs.limits import check_messages, printable, whole_seconds


@pytest.mark.parametrize(
    "body", ["plain", "tab\tand\r\nlines", "ä漢🚀", "\x7f\x85", "\ud7ff\ue000\ufffd", "\U0010ffff"]
)
def test_what_sqs_takes_is_passed(body: str) -> None:
    check_messages([Message(body)], 100)


@pytest.mark.parametrize("character", ["\0", "\x08", "\x0b", "\x0c", "\x1f", "\udabc", "\ufffe", "\uffff"])
@pytest.mark.parametrize("rest", ["plain", "ä漢🚀"])
def test_a_character_that_sqs_refuses_is_named(character: str, rest: str) -> None:
    with pytest.raises(ValueError, match="which SQS refuses") as refusal:
        check_messages([Message("fine"), Message(rest + character)], 100)
    assert repr(character) in str(refusal.value)


def test_an_empty_body_and_a_long_delay_are_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        check_messages([Message("")], 100)
    check_messages([Message("m", delay_seconds=900)], 100)
    with pytest.raises(ValueError, match="900"):
        check_messages([Message("m", delay_seconds=900.5)], 100)


def test_a_reason_is_cut_at_a_whole_character_and_never_empty() -> None:
    assert printable("a\0b\x1bc", 100) == "a?b?c"
    assert printable("aé", 3) == "aé"
    assert printable("aé", 2) == "a"
    assert printable("", 10) == "?"
    assert printable("🚀", 2) == "?"


@pytest.mark.parametrize(("seconds", "whole"), [(-1.0, 0), (0.0, 0), (0.05, 1), (1.0, 1), (19.2, 20)])
def test_seconds_are_rounded_up(seconds: float, whole: int) -> None:
    assert whole_seconds(seconds) == whole

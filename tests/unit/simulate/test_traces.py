"""Arrivals from trace files; the samples have the formats of the public ones."""

from pathlib import Path

import numpy as np
import pytest

from burstlens.errors import Misconfigured
from burstlens.simulate import traces
from burstlens.simulate.traces import read_trace

STAMPS = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8

2023-11-16 18:17:04.0319600,110,27
2023-11-16 18:18:03.9799600,34,12"""
CALLS = """app,func,end_timestamp,duration
a,f1,57.5,57.0
a,f2,10.25,0.25
b,f1,3.5,3.25
"""
MINUTES = """HashOwner,HashApp,HashFunction,Trigger,1,2,3
o,a,f1,queue,0,4,0
o,a,f2,http,2,0,1
"""


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace.csv"


def test_time_stamps_count_from_the_first(trace: Path) -> None:
    trace.write_text(STAMPS)

    assert read_trace(trace).tolist() == pytest.approx([0, 0.052, 0.052, 60], abs=1e-5)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff2024-05-10 00:00:00.009930+00:00,1\r\n2024-05-10 00:00:01.009930+00:00,1\r\n",
        "2024-05-10T01:00:00+01:00\n2024-05-10T00:00:01Z\n",
        "arrived\n1700000000.5\n1700000001.5\n",
        "0\n1e0\n",
        "seconds,size\n0.0,12\n1.0,13\n",
    ],
)
def test_time_stamps_and_seconds_are_known_without_being_told(trace: Path, text: str) -> None:
    trace.write_text(text, encoding="utf-8", newline="")

    assert read_trace(trace).tolist() == pytest.approx([0, 1], abs=1e-6)


def test_small_numbers_are_offsets_already(trace: Path) -> None:
    trace.write_text("100.5\n101\n")

    assert read_trace(trace).tolist() == [100.5, 101]


def test_a_call_arrives_when_it_begins(trace: Path) -> None:
    trace.write_text(CALLS)

    assert read_trace(trace).tolist() == [0, 0.25, 9.75]


def test_counts_are_spread_evenly_within_their_minute(trace: Path) -> None:
    trace.write_text(MINUTES)

    assert read_trace(trace).tolist() == [15, 45, 67.5, 82.5, 97.5, 112.5, 150]


def test_counts_are_spread_by_chance_with_a_seed(trace: Path) -> None:
    trace.write_text(MINUTES)
    offsets = read_trace(trace, seed=1)

    assert (np.diff(offsets) >= 0).all()
    assert (offsets // 60).tolist() == [0, 0, 1, 1, 1, 1, 2]
    assert offsets.tolist() == read_trace(trace, seed=1).tolist()
    assert offsets.tolist() != read_trace(trace, seed=2).tolist()


def test_one_function_can_be_taken_out_of_many(trace: Path) -> None:
    trace.write_text(MINUTES)
    assert read_trace(trace, function="f2").tolist() == [15, 45, 150]

    trace.write_text(CALLS)
    assert read_trace(trace, function="f1").tolist() == [0, 0.25]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "line 1: the file is empty"),
        ("\n \n", "line 1: the file is empty"),
        ("TIMESTAMP\n", "line 1: 'TIMESTAMP' is neither a time stamp nor a number of seconds"),
        ("a,b\nc,d\n", "line 2: 'c' is neither"),
        ("1\n\n3\n2\n", "line 4: '2' is earlier than the line before; sort the file by time"),
        ("1\nnan\n", "line 2: 'nan' is no moment"),
        ("1\ninf\n", "line 2: 'inf' is no moment"),
        ("-1\n2\n", "line 1: '-1' is no moment"),
        ("1\ntwo\n", "line 2: 'two' is not a number of seconds"),
        ("1700000000000\n", "line 1: '1700000000000' is no moment in seconds; are these milliseconds?"),
        ("t\n2023-11-16 18:17:03\n2023-11-16 18:17:62\n", "line 3: '2023-11-16 18:17:62' is not a time stamp"),
        ("end_timestamp,duration\n1\n", "line 2: it has 1 columns and the header has 2"),
        ("end_timestamp,duration\n1,-1\n", "line 2: '-1' is no moment"),
        ("end_timestamp,duration\n", "there are no arrivals in it"),
        (MINUTES + "o,a,f3,http,1,2\n", "line 4: it has 6 columns and the header has 7"),
        (MINUTES + "o,a,f3,http,1,2,x\n", "line 4: a count per minute is no whole number"),
        (MINUTES + "o,a,f3,http,1,2,-3\n", "line 4: a count per minute is negative"),
        (MINUTES + "o,a,f3,http,1,2,99999999999999999999\n", "line 4: a count per minute is no whole number"),
        (MINUTES + "o,a,f3,http,1,2,9999999999\n", "line 4: more than 50,000,000 arrivals"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(trace: Path, text: str, hint: str) -> None:
    trace.write_text(text)

    with pytest.raises(Misconfigured) as error:
        read_trace(trace)
    assert str(error.value).startswith(str(trace))
    assert hint in str(error.value)


@pytest.mark.parametrize("length", [200_000, 2_000_000])
def test_a_line_without_an_end_is_refused(trace: Path, length: int) -> None:
    trace.write_text("1\n" + "2" * length)

    with pytest.raises(Misconfigured, match=r"trace\.csv, line 2: (field larger than|it is too long)"):
        read_trace(trace)


def test_a_function_that_is_not_there_is_said(trace: Path) -> None:
    trace.write_text(MINUTES)
    with pytest.raises(Misconfigured, match="no arrivals in it of a function f9"):
        read_trace(trace, function="f9")

    trace.write_text("1\n")
    with pytest.raises(Misconfigured, match="does not tell functions apart"):
        read_trace(trace, function="f9")


def test_a_trace_that_is_packed_or_missing_or_no_file_is_said(trace: Path) -> None:
    trace.write_bytes(b"\x1f\x8b\x08\x00\x93\xff")
    with pytest.raises(Misconfigured, match="compressed trace has to be unpacked"):
        read_trace(trace)

    with pytest.raises(Misconfigured, match=r"missing\.csv: the trace cannot be read: No such file"):
        read_trace(trace.with_name("missing.csv"))
    with pytest.raises(Misconfigured, match="cannot be read: Is a directory"):
        read_trace(trace.parent)


def test_a_trace_with_too_many_arrivals_is_refused_before_memory_is_full(
    trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "MOST_ARRIVALS", 2)
    for text in ("1\n2\n3\n", CALLS):
        trace.write_text(text)
        with pytest.raises(Misconfigured, match="more than 2 arrivals"):
            read_trace(trace)

import pytest

from burstlens.web.options import WebOptions
from burstlens.web.preference import Preference


@pytest.mark.parametrize(
    ("headers", "wait_seconds", "applied"),
    [
        ([], 60, ""),
        (["wait=10"], 10, "wait=10"),
        (["WAIT = 10"], 10, "wait=10"),
        (['wait="10"'], 10, "wait=10"),
        (["wait=0"], 0, "wait=0"),
        (["wait=100000"], 900, "wait=900"),
        (["wait=" + "9" * 400], 900, "wait=900"),
        (["respond-async"], 0, "respond-async"),
        (["respond-async, wait=5"], 5, "respond-async, wait=5"),
        (["respond-async", "wait=5; foo=bar"], 5, "respond-async, wait=5"),
        (["wait=5, wait=7"], 5, "wait=5"),
        (["return=minimal"], 60, ""),
        (["wait=-1"], 60, ""),
        (["wait=soon"], 60, ""),
        (["wait=²"], 60, ""),
        ([",;=,"], 60, ""),
    ],
)
def test_prefer_header(headers: list[str], wait_seconds: float, applied: str) -> None:
    assert Preference.parse(headers, WebOptions()) == Preference(wait_seconds, applied)

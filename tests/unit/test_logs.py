"""Logs as another process reads them, and as a person does."""

import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import structlog
from burstlens.logs import configure_logs

log = structlog.get_logger("early")
configure_logs(*{levels!r})
log.debug("looking", depth=3)
log.info("deciding", wanted=2, label="café\\nbathtub")
log.warning("holding")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("attempt failed", attempt=1)
"""


def environment(level: str | None) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("BURSTLENS_")}
    return plain | ({"BURSTLENS_LOG_LEVEL": level} if level else {})


def lines(level: str | None = None, *levels: str) -> list[dict[str, Any]]:
    """What the program logs, with this level in the environment and these given."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(levels=levels)],
        env=environment(level),
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def events(level: str | None = None, *levels: str) -> list[str]:
    return [line["event"] for line in lines(level, *levels)]


def test_each_event_is_one_json_line_with_its_time_level_and_fields() -> None:
    deciding, holding, _ = lines()

    assert deciding.pop("timestamp").endswith("Z")
    assert deciding == {"event": "deciding", "level": "info", "wanted": 2, "label": "café\nbathtub"}
    assert holding["level"] == "warning"


def test_an_exception_is_in_the_line_of_its_event() -> None:
    failed = lines()[-1]

    assert (failed["event"], failed["level"], failed["attempt"]) == ("attempt failed", "error", 1)
    assert "ZeroDivisionError: division by zero" in failed["exception"]
    assert "Traceback" in failed["exception"]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (None, ["deciding", "holding", "attempt failed"]),
        ("debug", ["looking", "deciding", "holding", "attempt failed"]),
        ("WARNING", ["holding", "attempt failed"]),
        ("error", ["attempt failed"]),
        ("nonsense", ["deciding", "holding", "attempt failed"]),
    ],
)
def test_the_level_is_that_of_the_environment_else_info(level: str | None, expected: list[str]) -> None:
    assert events(level) == expected


def test_a_command_s_own_level_wins() -> None:
    assert events("debug", "warning") == ["holding", "attempt failed"]


def test_a_person_reads_text() -> None:
    ours, its = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(levels=())], env=environment("warning"), check=True, stderr=its
        )
        text = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(its)

    first = text.splitlines()[0]
    assert "holding" in first
    assert not first.startswith("{")

"""`burstlens plan`: what a user sees, and that its settings load."""

import json
import signal
from pathlib import Path

import pytest

from burstlens.settings import load_settings
from support.commands import SLOW_MACHINE_SECONDS, Home
from support.eventually import eventually

pytestmark = pytest.mark.anyio

QUICK = ("plan", "--engine", "fluid", "--no-oracle", "--arrivals", "poisson:1:200", "--cap", "3", "--jobs", "1")


def loaded(text: str, folder: Path) -> dict[str, object]:
    """The settings that such a file gives, as far as a plan decides them."""
    (folder / "burstlens.toml").write_text(text)
    settings = load_settings(folder / "burstlens.toml")
    scaling = settings.scaling
    names = ("policy", "max_instances", "min_instances", "standby", "deadline_seconds", "budget_per_day")
    return {name: getattr(scaling, name) for name in names} | {"pools": [pool.name for pool in settings.fleet_pools()]}


async def test_it_recommends_and_prints_settings_that_load(home: Home) -> None:
    done = await home.run(*QUICK, "--deadline", 120, "--private", 2, "--budget", 50)

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0].split()[:2] == ["policy", "setting"]
    for policy in ("deadline", "queue-ratio", "target-tracking"):
        assert f"\n{policy} " in done.out
    assert "a day or" in done.out
    assert "if what came in 3,600 s comes over and over again" in done.out
    settings = loaded(done.out[done.out.index("# For ") :], home.folder)
    assert settings["budget_per_day"] == 50
    assert settings["pools"]


async def test_json_holds_everything_that_was_tried_and_the_same_settings(home: Home) -> None:
    done = await home.run(*QUICK, "--deadline", 120, "--json")

    found = json.loads(done.out)
    best, settings = found["best"], loaded(found["settings"], home.folder)
    assert best in found["tried"]
    assert best["attainment"] >= 0.99
    assert all(best["money_per_day"] <= 1.02 * each["money_per_day"] for each in found["tried"] if in_time(each))
    assert {name: settings[name] for name in ("policy", "max_instances", "min_instances", "standby")} == {
        name: best[name] for name in ("policy", "max_instances", "min_instances", "standby")
    }


def in_time(tried: dict[str, float]) -> bool:
    return tried["attainment"] >= 0.99


async def test_the_least_that_any_policy_needs_is_told(home: Home) -> None:
    done = await home.run(*(each for each in QUICK if each != "--no-oracle"), "--deadline", 120, "--json")

    found = json.loads(done.out)
    assert 0 < found["bound"]["money"] <= found["best"]["money"]


async def test_a_burst_faster_than_a_boot_is_met_by_instances_that_are_kept(home: Home) -> None:
    done = await home.run(*QUICK, "--arrivals", "burst:60", "--deadline", 6, "--cap", 4, "--json")

    best = json.loads(done.out)["best"]
    assert best["min_instances"] + best["standby"] == 4


async def test_a_deadline_that_nothing_meets_is_an_exit_code_and_a_reason(home: Home) -> None:
    done = await home.run(*QUICK, "--deadline", 0.4)

    assert (done.code, done.err) == (1, "")
    assert "Nothing that was tried will do: a single request takes 0.5 s, longer than the deadline" in done.out
    assert "[scaling]" not in done.out


async def test_ctrl_c_ends_it_with_the_best_so_far(home: Home) -> None:
    running = await home.start(
        "plan", "--engine", "fluid", "--no-oracle", "--arrivals", "poisson:1:86400", "--jobs", "2"
    )

    async def started() -> bool:
        return len(home.processes()) >= 3

    await eventually(started, SLOW_MACHINE_SECONDS)
    done = await running.end(signal.SIGINT)

    assert done.code == 130
    assert done.err == "burstlens: interrupted: what is shown is the best of what was tried by then\n"
    await home.no_process_is_left()

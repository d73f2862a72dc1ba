"""`burstlens simulate`: what a user sees."""

import asyncio
import csv
import json
import math
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from burstlens.cli.scenario import Asked, interruptible
from burstlens.errors import Misconfigured
from burstlens.simulate.peers.grid import GRID
from burstlens.simulate.study import Engine
from support.commands import SLOW_MACHINE_SECONDS, Home
from support.eventually import eventually

pytestmark = pytest.mark.anyio

BURST = ("simulate", "--arrivals", "burst:60", "--no-oracle", "--jobs", "1")
LONG = ("simulate", "--arrivals", "poisson:5:86400", "--engine", "fluid", "--no-oracle")
"""So many ticks that it takes a while."""


async def test_a_line_for_each_policy_and_a_verdict(home: Home) -> None:
    done = await home.run(*BURST, "--policy", "deadline,queue-ratio,keda:default", "--deadline", "120")

    assert (done.code, done.err) == (0, "")
    header, *lines = done.out.splitlines()
    assert header.split()[:4] == ["policy", "billed", "s", "money"]
    assert [line.split()[0] for line in lines[:3]] == ["deadline", "queue-ratio", GRID["keda"][0].name]
    assert "is the cheapest that answers 99 % within 120 s" in done.out


async def test_the_ratio_to_the_lower_bound_is_at_least_one(home: Home) -> None:
    done = await home.run(
        "simulate", "--arrivals", "burst:60", "--policy", "deadline", "--deadline", "120", "--jobs", "1", "--json"
    )

    found = json.loads(done.out)
    assert 0 < found["bound"]["money"] <= found["policies"][0]["money"]


async def test_the_report_is_one_folder_with_page_and_data(home: Home) -> None:
    arguments = ("--policy", "queue-ratio,keda:default", "--engine", "fluid", "--private", 2, "--out", "deep/report")
    done = await home.run(*BURST, *arguments)

    assert (done.code, done.err) == (0, "")
    assert "report: deep/report/index.html" in done.out
    folder = home.folder / "deep" / "report"
    assert {path.name for path in folder.iterdir()} == {"index.html", "results.json", "results.csv"}
    page = (folder / "index.html").read_text()
    assert page.count("<svg") == 6
    assert f"--out {folder.relative_to(home.folder)}" in page
    found = json.loads((folder / "results.json").read_text())
    assert [each["policy"] for each in found["policies"]] == ["queue-ratio", "keda"]
    assert set(found["policies"][0]["timeline"]["instances"]) == {"private", "public"}
    assert {each["policy"] for each in found["sweep"]} >= {"deadline", *GRID}
    with (folder / "results.csv").open() as file:
        parts = [line["part"] for line in csv.DictReader(file)]
    assert parts == ["policies"] * 2 + ["sweep"] * len(found["sweep"])


async def test_json_says_the_same_to_programs(home: Home) -> None:
    done = await home.run(*BURST, "--policy", "queue-ratio", "--json")

    found = json.loads(done.out)
    assert found["asked"]["arrivals"] == "burst:60: 60 over 0 s"
    assert found["policies"][0]["requests"] == 60
    assert sum(found["policies"][0]["timeline"]["arrivals"]) == 60


async def test_a_trace_is_read_from_its_file(home: Home) -> None:
    (home.folder / "trace.csv").write_text("offset\n" + "".join(f"{moment}\n" for moment in (0, 1, 2.5, 300)))
    done = await home.run("simulate", "--trace", "trace.csv", "--policy", "queue-ratio", "--no-oracle", "--json")

    assert json.loads(done.out)["asked"]["arrivals"] == "trace.csv: 4 over 300 s"


async def test_ctrl_c_ends_it_with_what_is_done_and_leaves_nothing_running(home: Home) -> None:
    running = await home.start(*LONG, "--policy", "queue-ratio,keda,ray-serve,dask", "--out", "report", "--jobs", "2")
    await processes_of_its_own(home)
    done = await running.end(signal.SIGINT)

    assert done.code == 130
    assert done.err.startswith("burstlens: interrupted after ")
    assert "Traceback" not in done.err
    await home.no_process_is_left()


async def test_ctrl_c_while_processes_are_being_started_ends_it_as_well(home: Home) -> None:
    """One that is half started when the executor gives up would keep the executor's pipe open, and its end waiting."""
    (home.folder / "sitecustomize.py").write_text(
        "import os, signal\n"
        "from multiprocessing import util\n"
        "start, workers = util.spawnv_passfds, []\n"
        "def started(path, arguments, descriptors):\n"
        "    pid = start(path, arguments, descriptors)\n"
        "    if '--multiprocessing-fork' in [os.fsdecode(each) for each in arguments]:\n"
        "        workers.append(pid)\n"
        "        if len(workers) == 2:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "    return pid\n"
        "util.spawnv_passfds = started\n"
    )
    running = await home.start(*LONG, "--policy", "queue-ratio,keda", "--jobs", "2", PYTHONPATH=str(home.folder))
    done = await running.ended()

    assert done.code == 130
    assert done.err == "burstlens: interrupted after 0 of 12 simulations\n"
    await home.no_process_is_left()


async def processes_of_its_own(home: Home) -> None:
    """Wait until a command has started processes to simulate on."""

    async def there() -> bool:
        return len(home.processes()) >= 3

    await eventually(there, SLOW_MACHINE_SECONDS)


def test_ctrl_c_ends_a_simulation_in_the_commands_own_process_too() -> None:
    async def never_waits() -> None:
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it went on")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interruptible():
        asyncio.run(never_waits())
    assert signal.getsignal(signal.SIGINT) is before


async def test_a_killed_parent_takes_its_processes_along(home: Home) -> None:
    running = await home.start(*LONG, "--policy", "keda,ray-serve,dask", "--jobs", "2")
    await processes_of_its_own(home)
    await running.end(signal.SIGKILL)

    await home.no_process_is_left()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("", "say what comes: --trace FILE or --arrivals burst:100"),
        ("--trace none.csv", "none.csv"),
        ("--arrivals burst:1 --policy deadlin", "there is no policy 'deadlin'; did you mean deadline?"),
        ("--arrivals burst:1 --policy ,", "--policy names no policy"),
        ("--arrivals burst:1 --out /dev/null/report", "cannot write the report to /dev/null/report: Not a directory"),
    ],
)
async def test_what_cannot_be_is_one_line(home: Home, arguments: str, says: str) -> None:
    done = await home.run("simulate", *arguments.split())

    assert done.code not in {0, None}
    (line,) = done.err.splitlines()
    assert line.startswith("burstlens: ")
    assert says in line


ASKED = Asked(
    trace=None,
    arrivals="burst:1",
    deadline=30.0,
    attainment=0.99,
    boot=45.0,
    service=0.5,
    cap=19,
    private=0,
    price=0.085,
    private_price=0.0,
    minimum=60.0,
    tick=5.0,
    seed=0,
    varied=False,
    engine="auto",
)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"trace": Path("t.csv")}, "--trace and --arrivals are two ways to say what comes: give one"),
        ({"arrivals": "brust:1"}, "there is no 'brust'"),
        ({"deadline": 0.0}, "--deadline must be above 0"),
        ({"attainment": 99.0}, "--attainment must be between 0 and 1"),
        ({"boot": math.nan}, "--boot must be 0 or more"),
        ({"price": -1.0}, "--price must be 0 or more"),
        ({"tick": 600.0}, "--tick: Input should be less than or equal to 60"),
        ({"engine": "steam"}, "--engine must be event, fluid or auto"),
    ],
)
def test_a_number_that_cannot_be_names_its_option(change: dict[str, Any], says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        replace(ASKED, **change).scenario()

    assert says in str(caught.value)


def test_every_option_reaches_the_scenario() -> None:
    asked = replace(
        ASKED, private=4, private_price=0.03, price=0.2, minimum=7.0, tick=3.0, waiting_price=2.0, boot=40.0
    )

    scenario = asked.scenario()

    own, rented = (each.pool for each in scenario.world.pools)
    assert (own.cap, own.price_per_hour, own.billing.minimum_seconds) == (4, 0.03, 0)
    assert (rented.cap, rented.price_per_hour, rented.billing.minimum_seconds) == (19, 0.2, 7.0)
    assert {(each.boot.median_seconds, each.service.median_seconds) for each in scenario.world.pools} == {(40.0, 0.5)}
    options = scenario.options
    assert (options.tick_seconds, options.waiting_price_per_hour, options.boot_seconds) == (3.0, 2.0, 40.0)
    assert (options.deadline_seconds, options.attainment, options.max_instances) == (30.0, 0.99, 19)


def test_many_requests_are_simulated_as_a_fluid_unless_told_otherwise() -> None:
    many = replace(ASKED, arrivals="burst:200000")

    assert [each.scenario().engine for each in (ASKED, many, replace(many, engine="event"))] == [
        Engine.EVENT,
        Engine.FLUID,
        Engine.EVENT,
    ]


async def test_without_the_extra_it_says_what_to_install(home: Home) -> None:
    (home.folder / "sitecustomize.py").write_text("import sys\nsys.modules['scipy'] = None\n")
    done = await home.run("simulate", "--arrivals", "burst:1", PYTHONPATH=str(home.folder))

    assert (done.code, done.out) == (1, "")
    assert done.err == "burstlens: burstlens simulate needs scipy: pip install 'burstlens[simulate]'\n"

"""What `burstlens simulate` and `burstlens plan` share: how a scenario is described on the command line."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from burstlens.errors import Misconfigured

if TYPE_CHECKING:
    from burstlens.simulate.study import Scenario

MANY_REQUESTS = 200_000
"""From here on `--engine auto` is fluid: one by one, they would take seconds for each policy."""

Trace = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        metavar="FILE",
        help="CSV of past arrivals: time stamps, counts per minute, or one line for each call.",
        show_default=False,
    ),
]
Arrivals = Annotated[
    str | None,
    typer.Option(
        "--arrivals",
        metavar="WORD",
        help="Instead of a trace: burst:100, poisson:RATE:SECONDS, diurnal:MEAN_RATE:SECONDS[:SPIKES], "
        "ramp:FROM:TO:SECONDS or on-off:RATE:ON:OFF:SECONDS, rates per second; joined by + if need be.",
        show_default=False,
    ),
]
Deadline = Annotated[
    float, typer.Option("--deadline", metavar="SECONDS", help="From a request's arrival to its answer.")
]
Attainment = Annotated[float, typer.Option("--attainment", metavar="SHARE", help="Of the requests, to be in time.")]
Boot = Annotated[
    float, typer.Option("--boot", metavar="SECONDS", help="From the launch of an instance to its first request.")
]
Service = Annotated[float, typer.Option("--service", metavar="SECONDS", help="One request on one instance.")]
Cap = Annotated[int, typer.Option("--cap", metavar="N", min=1, help="The most instances at once, on all clouds.")]
Private = Annotated[
    int, typer.Option("--private", metavar="N", min=0, help="How many of them your own cloud has; it is filled first.")
]
Price = Annotated[float, typer.Option("--price", metavar="MONEY", help="An instance-hour on the public cloud.")]
PrivatePrice = Annotated[
    float, typer.Option("--private-price", metavar="MONEY", help="An instance-hour on your own cloud.")
]
Minimum = Annotated[
    float, typer.Option("--minimum", metavar="SECONDS", help="Billed for each launch on the public cloud at least.")
]
Tick = Annotated[float, typer.Option("--tick", metavar="SECONDS", help="Between two decisions.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Of whatever is random: the same seed, the same run.")]
Varied = Annotated[
    bool,
    typer.Option(
        "--varied",
        help="Boots and requests take different times, the cloud's list is late, one launch in 20 finds no machine.",
    ),
]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine", metavar="NAME", help="event: each request; fluid: rates; auto: fluid from 200,000 requests on."
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", metavar="N", min=1, help="Processes. Default: one for each core.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """A scenario as it stands on the command line."""

    trace: Path | None
    arrivals: str | None
    deadline: float
    attainment: float
    boot: float
    service: float
    cap: int
    private: int
    price: float
    private_price: float
    minimum: float
    tick: float
    seed: int
    varied: bool
    engine: str
    waiting_price: float = 0.0

    def scenario(self) -> "Scenario":
        """The scenario.

        Raises:
            Misconfigured: something about it cannot be.
        """
        self._check()
        from pydantic import ValidationError

        from burstlens.scaling.options import ScalingOptions
        from burstlens.settings.model import first_problem
        from burstlens.simulate.standard import steady_world, varied
        from burstlens.simulate.study import Engine, Scenario
        from burstlens.simulate.traces import read_trace
        from burstlens.simulate.workloads import arrivals_from

        came = read_trace(self.trace) if self.trace else arrivals_from(self.arrivals or "", self.seed)
        world = steady_world(
            self.cap, self.boot, self.service, self.price, self.minimum, min(self.private, self.cap), self.private_price
        )
        try:
            options = ScalingOptions(
                tick_seconds=self.tick,
                max_instances=self.cap,
                deadline_seconds=self.deadline,
                attainment=self.attainment,
                waiting_price_per_hour=self.waiting_price,
                boot_seconds=self.boot,
                service_seconds=self.service,
                boot_allowance_seconds=max(120.0, 4 * self.boot),
            )
        except ValidationError as error:
            where, what = first_problem(error)
            message = f"--{where[0].removesuffix('_seconds').replace('_', '-') if where else 'options'}: {what}"
            raise Misconfigured(message) from None
        engine = self.engine
        if engine == "auto":
            engine = "fluid" if len(came) >= MANY_REQUESTS else "event"
        world = varied(world, self.seed) if self.varied else replace(world, seed=self.seed)
        return Scenario(self.trace.name if self.trace else self.arrivals or "", came, world, options, Engine(engine))

    def words(self, scenario: "Scenario") -> dict[str, str]:
        """The scenario for readers, by heading."""
        pools = [
            f"{each.pool.name}: at most {each.pool.cap}, {each.pool.price_per_hour:g} an hour"
            for each in scenario.world.pools
        ]
        last = float(scenario.arrivals[-1]) if len(scenario.arrivals) else 0.0
        return {
            "arrivals": f"{scenario.name}: {len(scenario.arrivals):,} over {last:,.0f} s",
            "deadline": f"{self.deadline:g} s for {100 * self.attainment:g} % of the requests",
            "boot": f"{self.boot:g} s" + (", varied" if self.varied else ""),
            "service time": f"{self.service:g} s" + (", varied" if self.varied else ""),
            "pools": "; ".join(pools),
            "billing": f"per second, at least {self.minimum:g} s for each launch on the public cloud",
            "cap": f"{self.cap} instances",
            "tick": f"{self.tick:g} s",
            "waiting price": f"{self.waiting_price:g} for an hour of one request",
            "engine": scenario.engine.value,
            "seed": str(self.seed),
        }

    def _check(self) -> None:
        wrong = {
            "say what comes: --trace FILE or --arrivals burst:100": self.trace is None and not self.arrivals,
            "--trace and --arrivals are two ways to say what comes: give one": bool(self.trace and self.arrivals),
            "--boot must be 0 or more": not 0 <= self.boot < float("inf"),
            "--service must be above 0": not 0 < self.service < float("inf"),
            "--deadline must be above 0": not 0 < self.deadline < float("inf"),
            "--attainment must be between 0 and 1, such as 0.99": not 0 < self.attainment < 1,
            "--price must be 0 or more": not 0 <= self.price < float("inf"),
            "--private-price must be 0 or more": not 0 <= self.private_price < float("inf"),
            "--minimum must be 0 or more": not 0 <= self.minimum < float("inf"),
            "--waiting-price must be 0 or more": not 0 <= self.waiting_price < float("inf"),
            "--engine must be event, fluid or auto": self.engine not in {"event", "fluid", "auto"},
        }
        for complaint, applies in wrong.items():
            if applies:
                raise Misconfigured(complaint)


def job_count(jobs: int | None) -> int:
    """How many processes to simulate on."""
    return jobs or len(os.sched_getaffinity(0))


def progress_bar() -> Progress:
    """Shows on standard error, if that is a terminal, how far a long run is; it leaves nothing behind."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C raises `KeyboardInterrupt` where the program is, even within a simulation.

    asyncio would only cancel its task, and a simulation that never waits would not notice.
    """
    before = signal.signal(signal.SIGINT, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _raise(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt

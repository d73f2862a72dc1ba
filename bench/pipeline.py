"""What burstlens costs beside the model: each figure is a ratio to, or a limit measured in, the same run.

``python bench/pipeline.py [overhead] [throughput] [idle] [start]`` measures those parts, without a name all of them. A
missed target is printed as missed, and the exit code is 0; it is 1 only if something could not be measured.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from machine import Machine, busy_seconds, cores, cpu_seconds
from peers import Burst, Peers, Work, client, peers, photos
from peers import Client as LoadClient
from system import MeasurementFailed, Up, running

from burstlens.recognition.loading import load_classifier

LONE_REQUESTS = 300
BURST_REQUESTS = 500
BURST_CONCURRENCY = 32
QUIET_ROUNDS = 5
FEWEST_QUIET_ROUNDS = 3
MOST_ROUNDS = 12
QUIET_CORES = 0.1
"""A round counts as quiet if all others on the machine together took less than this in each of its halves."""
WARM_BURSTS = 10
IDLE_SETTLE_SECONDS = 3.0
IDLE_SECONDS = 20.0
START_RUNS = 5


def main(names: Sequence[str]) -> int:
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"there is no part {unknown[0]!r}; the parts are: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    print(Machine.here(), flush=True)
    with tempfile.TemporaryDirectory(prefix="burstlens-bench-") as folder:
        for name in names or PARTS:
            try:
                PARTS[name](Path(folder))
            except MeasurementFailed as error:
                print(f"{name}: not measured: {error}", file=sys.stderr)
                return 1
    return 0


def overhead(folder: Path) -> None:
    """One request at a time over HTTP, and the same bytes given to the model in this process, by turns."""
    section(f"one request at a time, {LONE_REQUESTS} by turns with the model in this process")
    images = [image.data for image in photos()]
    recognizer = load_classifier()
    direct: list[float] = []
    whole: list[float] = []
    with running(folder, min_instances=1) as up:
        for number in range(-2 * len(images), LONE_REQUESTS):  # the first ones only warm up
            image = images[number % len(images)]
            direct_seconds = timed(partial(recognizer.recognise, [image]))
            whole_seconds = timed(partial(up.recognise, image))
            if number >= 0:
                direct.append(direct_seconds)
                whole.append(whole_seconds)
    show("model alone", f"p50 {1000 * median(direct):.1f} ms, p95 {1000 * p95(direct):.1f} ms")
    show("whole path over HTTP", f"p50 {1000 * median(whole):.1f} ms, p95 {1000 * p95(whole):.1f} ms")
    extra = 1000 * median(w - d for w, d in zip(whole, direct, strict=True))
    judge("overhead, p50 of the differences", extra, "ms", at_most=15)


def throughput(folder: Path) -> None:
    """A burst over HTTP, and the same images given from memory to as many processes, by turns."""
    section(f"{BURST_REQUESTS} requests, {BURST_CONCURRENCY} at once, {cores()} worker processes, both ways by turns")
    print("  client and web tier share the cores with the workers; the processes fed from memory have the cores alone")
    rounds: list[Round] = []
    with running(folder, min_instances=cores()) as up, client() as load, peers(cores()) as fed:
        warm(up, load)
        while len(rounds) < MOST_ROUNDS and sum(r.quiet for r in rounds) < QUIET_ROUNDS:
            rounds.append(Round.take(up, load, fed))
            show("a round", str(rounds[-1]))
    quiet = [r for r in rounds if r.quiet]
    if len(quiet) >= FEWEST_QUIET_ROUNDS:
        show("fed from memory", f"{median(r.fed_rate for r in quiet):.1f} images/s, median of the quiet rounds")
        show("over HTTP", f"{median(r.burst.rate for r in quiet):.1f} requests/s")
        judge("ratio", median(r.burst.rate / r.fed_rate for r in quiet), "", at_least=0.85)
    else:
        # On a busy machine the side with more processes gets more of it, so the rates would flatter burstlens.
        print("  others were too busy for rates to be compared; CPU times can be")
        judge("ratio of CPU times", median(r.cpu_ratio for r in rounds), "", at_least=0.85)
    where_it_goes(quiet if len(quiet) >= FEWEST_QUIET_ROUNDS else rounds)


@dataclass(frozen=True, slots=True)
class Round:
    """One burst with the CPU time that each party took for it, and the same work fed from memory."""

    burst: Burst
    web_seconds: float
    worker_seconds: float
    others_cores: float
    """Taken by strangers during the burst."""
    fed: Sequence[Work]
    fed_others_cores: float
    """The same while the processes were fed from memory."""

    @classmethod
    def take(cls, up: Up, load: LoadClient, peers_: Peers) -> "Round":
        """Have the work done both ways, one after the other."""
        began, busy_before = perf_counter(), busy_seconds()
        fed = peers_.recognise(BURST_REQUESTS)
        fed_busy, fed_seconds = busy_seconds() - busy_before, perf_counter() - began
        workers = up.workers
        began, busy_before = perf_counter(), busy_seconds()
        web_before, workers_before = cpu_seconds(up.pid), sum(map(cpu_seconds, workers))
        burst = send(up, load, BURST_REQUESTS)
        web, worker = cpu_seconds(up.pid) - web_before, sum(map(cpu_seconds, workers)) - workers_before
        busy, seconds = busy_seconds() - busy_before, perf_counter() - began
        return cls(
            burst=burst,
            web_seconds=web,
            worker_seconds=worker,
            others_cores=(busy - web - worker - burst.cpu_seconds) / seconds,
            fed=fed,
            fed_others_cores=(fed_busy - sum(work.cpu_seconds for work in fed)) / fed_seconds,
        )

    @property
    def quiet(self) -> bool:
        """Whether the rates say something: nobody else took much of the cores."""
        return max(self.others_cores, self.fed_others_cores) < QUIET_CORES

    @property
    def fed_rate(self) -> float:
        """Images a second, from the common start to the end of the last process."""
        return BURST_REQUESTS / (max(work.ended for work in self.fed) - min(work.began for work in self.fed))

    @property
    def fed_cpu_seconds(self) -> float:
        """Of all processes that were fed from memory."""
        return sum(work.cpu_seconds for work in self.fed)

    @property
    def cpu_seconds(self) -> float:
        """Of everybody who has to do with the burst."""
        return self.web_seconds + self.worker_seconds + self.burst.cpu_seconds

    @property
    def cpu_ratio(self) -> float:
        """The ratio of the rates if every core worked all the time on both sides."""
        return self.fed_cpu_seconds / self.cpu_seconds

    def __str__(self) -> str:
        return (
            f"{self.burst.rate:.1f}/s over HTTP, {self.fed_rate:.1f}/s from memory, "
            f"ratio {self.burst.rate / self.fed_rate:.3f}; "
            f"others took {self.others_cores:.2f} and {self.fed_others_cores:.2f} cores"
            f"{'' if self.quiet else ', not quiet'}"
        )


def where_it_goes(rounds: Sequence[Round]) -> None:
    """What each party takes of a request's CPU time, and what ratio would be left if no core ever waited."""
    section("where a request's CPU goes, ms (median of the rounds)")

    def each(seconds: Callable[[Round], float]) -> float:
        return 1000 * median(seconds(r) for r in rounds) / BURST_REQUESTS

    show("model, fed from memory", f"{each(lambda r: r.fed_cpu_seconds):.2f}")
    beside = each(lambda r: r.worker_seconds - r.fed_cpu_seconds)
    show("workers, all together", f"{each(lambda r: r.worker_seconds):.2f}, so {beside:.2f} beside the model")
    show("web tier and autoscaler", f"{each(lambda r: r.web_seconds):.2f}")
    show("client", f"{each(lambda r: r.burst.cpu_seconds):.2f}")
    show("sum", f"{each(lambda r: r.cpu_seconds):.2f}")
    show("cores in use during a burst", f"{median(r.cpu_seconds / r.burst.seconds for r in rounds):.2f} of {cores()}")
    show("ratio of CPU times", f"{median(r.cpu_ratio for r in rounds):.3f}")


def idle(folder: Path) -> None:
    """What the system takes while it has no instance and nobody asks."""
    section(f"idle with zero instances, over {IDLE_SECONDS:g} s")
    with running(folder, min_instances=0) as up:
        time.sleep(IDLE_SETTLE_SECONDS)
        before, began = cpu_seconds(up.pid), perf_counter()
        time.sleep(IDLE_SECONDS)
        share = (cpu_seconds(up.pid) - before) / (perf_counter() - began)
        if up.workers:
            message = "there were instances"
            raise MeasurementFailed(message)
    judge("web tier and autoscaler", 100 * share, "% of one core", at_most=2)


def start(folder: Path) -> None:
    """From nothing to ready, and from the first request to its label."""
    section(f"start, {START_RUNS} runs, model already converted")
    image = photos()[0].data
    ready, first = [], []
    for number in range(START_RUNS):
        with running(folder, min_instances=0) as up:
            ready.append(up.ready_seconds)
            time.sleep(1 + number / START_RUNS)  # the autoscaler looks once a second: ask at any point of its second
            first.append(timed(partial(up.recognise, image)))
    judge("process start to ready, worst", max(ready), "s", at_most=3, note=f"median {median(ready):.2f} s")
    judge("first request to its label, worst", max(first), "s", at_most=4, note=f"median {median(first):.2f} s")


PARTS: Mapping[str, Callable[[Path], None]] = {
    "overhead": overhead,
    "throughput": throughput,
    "idle": idle,
    "start": start,
}


def warm(up: Up, load: LoadClient) -> None:
    """Send until every worker has answered, and has run its model a few times."""
    for _ in range(WARM_BURSTS):
        if len(send(up, load, 32 * cores()).instances) == cores():
            break
    else:
        message = "not every worker came up"
        raise MeasurementFailed(message)
    send(up, load, 32 * cores())


def send(up: Up, load: LoadClient, count: int) -> Burst:
    burst = load.send(up.url, count, BURST_CONCURRENCY)
    if burst.problems or burst.count != count:
        message = f"{burst.count} of {count} requests ended, {len(burst.problems)} wrongly: {burst.problems[:3]}"
        raise MeasurementFailed(message)
    return burst


def timed(call: Callable[[], object]) -> float:
    began = perf_counter()
    call()
    return perf_counter() - began


def p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1]


def section(title: str) -> None:
    print(f"\n{title}")


def show(what: str, measured: str) -> None:
    print(f"  {what:<48} {measured}", flush=True)


def judge(
    what: str,
    measured: float,
    unit: str,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    note: str = "",
) -> None:
    met = (at_most is None or measured <= at_most) and (at_least is None or measured >= at_least)
    target = f"at most {at_most:g}" if at_most is not None else f"at least {at_least:g}"
    figure = f"{measured:.2f} {unit}".rstrip() + (f" ({note})" if note else "")
    show(what, f"{figure}; target {target}: {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""How near the recogniser is to what the core can do: each figure is a ratio within one run.

``python bench/recognition.py [--rounds N]``. A missed target is printed as missed, and the exit code is 0; it is 1 only
if something could not be measured. PyTorch, for the peer, has to be in the same interpreter.
"""

import argparse
import multiprocessing as mp
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

# Before numpy is loaded, here and in the processes: its matrix products would take every core.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import arithmetic
import one_core
import torch_peer
from machine import Machine, busy_seconds, cores
from one_core import Span, Start, Times
from pipeline import judge, section, show

from burstlens.recognition.cache import default_cache
from burstlens.recognition.sources import find_model
from burstlens.workload.bundled import bundled_photos

ROUNDS = 7
FEWEST_QUIET_ROUNDS = 3
QUIET_CORES = 0.1
"""A round counts as quiet if all others on the machine together took less than this in each of its two spans."""
PASSES = 2
SPAN_SECONDS = 1.5
STARTS = 5


@dataclass(frozen=True, slots=True)
class Round:
    """Everything once, one after the other."""

    limit: float
    """Floating-point operations a second."""
    parts: Times
    one: Span
    many: Sequence[Span]
    others_cores: float
    """Taken by strangers during the busier of the two spans."""
    peer: torch_peer.PeerWork | None

    @property
    def sum_ratio(self) -> float:
        """End to end against decoding and inferring alone."""
        return (self.parts.decode + self.parts.infer) / self.parts.whole

    @property
    def scaling(self) -> float:
        """All processes together against as many times one."""
        return sum(map(rate, self.many)) / (len(self.many) * rate(self.one))

    @property
    def cpu_scaling(self) -> float:
        """The same of CPU time for an image: what the processes cost each other, whoever else is here."""
        count = sum(span.count for span in self.many)
        return (self.one.cpu_seconds / self.one.count) / (sum(span.cpu_seconds for span in self.many) / count)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds to take medians of, by default {ROUNDS}")
    options = parser.parse_args(arguments)
    print(Machine.here(), flush=True)
    operations = 2 * arithmetic.multiplications(find_model("lite0").file)
    try:
        report(rounds(max(1, options.rounds)), operations)
        starts()
    except (subprocess.CalledProcessError, RuntimeError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    return 0


def rounds(count: int) -> list[Round]:
    context = mp.get_context("spawn")
    images = [photo.path.read_bytes() for photo in bundled_photos()]
    with ExitStack() as stack:
        barrier = context.Barrier(cores())
        pool = stack.enter_context(
            ProcessPoolExecutor(cores(), context, initializer=one_core.load, initargs=(barrier,))
        )
        peer: ProcessPoolExecutor | None = None
        if torch_peer.is_installed():
            peer = stack.enter_context(ProcessPoolExecutor(1, context, initializer=torch_peer.load))
            peer.submit(torch_peer.recognise, images[:4]).result()
        list(pool.map(one_core.together, [0.5] * cores()))
        return [take(pool, peer, images) for _ in range(count)]


def take(pool: ProcessPoolExecutor, peer: ProcessPoolExecutor | None, images: list[bytes]) -> Round:
    limit = pool.submit(arithmetic.limit).result()
    parts = pool.submit(one_core.parts, PASSES).result()
    (one,), others_one = watched(lambda: [pool.submit(one_core.alone, SPAN_SECONDS).result()])
    many, others_many = watched(lambda: list(pool.map(one_core.together, [SPAN_SECONDS] * cores())))
    work = peer.submit(torch_peer.recognise, images).result() if peer else None
    return Round(limit, parts, one, many, max(others_one, others_many), work)


def watched(run: Callable[[], list[Span]]) -> tuple[list[Span], float]:
    """What the spans were, and how many cores strangers took meanwhile."""
    began, before = perf_counter(), busy_seconds()
    spans = run()
    busy, seconds = busy_seconds() - before, perf_counter() - began
    return spans, (busy - sum(span.cpu_seconds for span in spans)) / seconds


def rate(span: Span) -> float:
    return span.count / span.seconds


def report(taken: Sequence[Round], operations: int) -> None:
    section(f"one core, medians of {len(taken)} rounds; ms of CPU time an image (16 bundled photos)")
    gflops = median(r.limit for r in taken) / 1e9
    show("the core's arithmetic limit, float32 sgemm", f"{gflops:.1f} GFLOP/s")
    infer, wall = 1000 * median(r.parts.infer for r in taken), 1000 * median(r.parts.infer_wall for r in taken)
    speed = operations / infer / 1e6
    show(f"model alone, {operations / 2e6:.0f} MMAC", f"{infer:.2f} ms ({wall:.2f} wall), {speed:.1f} GFLOP/s")
    judge("model / limit", median(operations / r.parts.infer / r.limit for r in taken), "", at_least=0.65)
    show("decode alone", f"{1000 * median(r.parts.decode for r in taken):.2f} ms")
    show("end to end", f"{1000 * median(r.parts.whole for r in taken):.2f} ms")
    judge("end to end / (1 / (decode + infer))", median(r.sum_ratio for r in taken), "", at_least=0.95)

    quiet = [r for r in taken if r.others_cores < QUIET_CORES]
    section(f"{cores()} processes at once, {len(quiet)} of {len(taken)} rounds quiet")
    show("one process", f"{median(rate(r.one) for r in quiet or taken):.1f} images/s")
    show("all processes", f"{median(sum(map(rate, r.many)) for r in quiet or taken):.1f} images/s")
    if len(quiet) >= FEWEST_QUIET_ROUNDS:
        judge("all / (N · one)", median(r.scaling for r in quiet), "", at_least=0.9)
    else:
        print("  others were too busy for rates to be compared; CPU times can be")
        show("all / (N · one), rates, not judged", f"{median(r.scaling for r in taken):.2f}")
        judge("all / (N · one), CPU times", median(r.cpu_scaling for r in taken), "", at_least=0.9)

    section("peer: ResNet-18 in PyTorch, one thread")
    works = [(r, r.peer) for r in taken if r.peer is not None]
    if not works:
        print("  left out: this interpreter has no torch (pip install torch)")
        return
    show("end to end", f"{1000 * median(work.cpu_seconds / work.count for _, work in works):.1f} ms")
    judge(
        "burstlens / peer, per core",
        median(work.cpu_seconds / work.count / r.parts.whole for r, work in works),
        "",
        at_least=3,
    )


def starts() -> None:
    section(f"process start to first label, {STARTS} runs each")
    warm = [one_core.start(default_cache()) for _ in range(STARTS)]
    cold = []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory(prefix="burstlens-bench-") as folder:
            cold.append(one_core.start(Path(folder)))
    judge("warm cache", median(s.seconds for s in warm), "s", at_most=0.6, note=note(warm))
    judge("cold cache: the model is converted", median(s.seconds for s in cold), "s", at_most=1.5, note=note(cold))
    judge("peak RSS, warm", max(s.peak_bytes for s in warm) / 1e6, "MB", at_most=150)
    judge("peak RSS, cold", max(s.peak_bytes for s in cold) / 1e6, "MB", at_most=150)


def note(taken: Sequence[Start]) -> str:
    return f"worst {max(s.seconds for s in taken):.2f} s; CPU {median(s.cpu_seconds for s in taken):.2f} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What a benchmark runs in processes of its own: the model fed from memory, and the client."""

import multiprocessing as mp
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from threading import BrokenBarrierError
from time import perf_counter
from typing import Any

import uvloop

from burstlens.recognition.base import ImageError
from burstlens.recognition.classifier import Classifier
from burstlens.recognition.loading import load_classifier
from burstlens.workload.arrivals import closed
from burstlens.workload.bundled import bundled_photos
from burstlens.workload.formats import Format
from burstlens.workload.images import Image
from burstlens.workload.run import Plan, run

_BARRIER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Work:
    """What one process did."""

    count: int
    began: float
    """Of the clock that all processes of the machine share."""
    ended: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Burst:
    """What became of one burst of requests."""

    count: int
    seconds: float
    cpu_seconds: float
    """Of the client."""
    instances: frozenset[str]
    problems: tuple[str, ...]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.count / self.seconds


class Peers:
    """The same number of processes as there are workers, each with the model and all images in memory."""

    def __init__(self, pool: ProcessPoolExecutor, processes: int, following: "Synchronized[int]") -> None:
        self._pool = pool
        self._processes = processes
        self._next = following

    def recognise(self, count: int) -> list[Work]:
        """Recognise `count` images; they begin together, and each process takes the next as soon as it is free."""
        self._next.value = 0
        return list(self._pool.map(_recognise, [count] * self._processes))


@contextmanager
def peers(processes: int) -> Iterator[Peers]:
    """Processes that are fed from memory: the rate that no queue can pass."""
    context = mp.get_context("spawn")
    barrier = context.Barrier(processes)
    following = context.Value("i", 0)
    with ProcessPoolExecutor(processes, context, initializer=_load, initargs=(barrier, following)) as pool:
        started = Peers(pool, processes, following)
        started.recognise(16 * processes)  # loads the model, and warms it
        yield started


@contextmanager
def client() -> Iterator["Client"]:
    """A process that sends requests."""
    with ProcessPoolExecutor(1, mp.get_context("spawn")) as pool:
        yield Client(pool)


class Client:
    """The project's own workload generator in a process of its own."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def send(self, url: str, count: int, concurrency: int) -> Burst:
        """Send `count` requests, at most `concurrency` at once."""
        return self._pool.submit(_send, url, count, concurrency).result()


def photos() -> tuple[Image, ...]:
    """The bundled photos, 14 to 105 KB each."""
    return tuple(Image(photo.path.name, photo.path.read_bytes(), photo.label) for photo in bundled_photos())


@dataclass(frozen=True, slots=True)
class _Loaded:
    recognizer: Classifier
    images: tuple[Image, ...]
    barrier: Any
    following: "Synchronized[int]"
    """Number of the next image that nobody has taken."""

    def take(self) -> int:
        with self.following.get_lock():
            self.following.value += 1
            return self.following.value - 1


_loaded: list[_Loaded] = []


def _load(barrier: Any, following: "Synchronized[int]") -> None:  # noqa: ANN401 - a spawned barrier has no public type
    _loaded.append(_Loaded(load_classifier(), photos(), barrier, following))


def _recognise(count: int) -> Work:
    (loaded,) = _loaded
    try:
        # None passes before all have come, so each process takes part.
        loaded.barrier.wait(_BARRIER_SECONDS)
    except BrokenBarrierError:
        message = "the other processes did not come to the start"
        raise RuntimeError(message) from None
    began, cpu_before = perf_counter(), time.process_time()
    done = 0
    while (index := loaded.take()) < count:
        (outcome,) = loaded.recognizer.recognise([loaded.images[index % len(loaded.images)].data])
        if isinstance(outcome, ImageError):
            raise outcome
        done += 1
    return Work(done, began, perf_counter(), time.process_time() - cpu_before)


def _send(url: str, count: int, concurrency: int) -> Burst:
    plan = Plan(url, photos(), closed(count), concurrency=concurrency, form=Format.V1, timeout_seconds=120)
    cpu_before = time.process_time()
    done = uvloop.run(run(plan))
    cpu_seconds = time.process_time() - cpu_before
    wrong = [outcome for outcome in done.outcomes if outcome.label is None or outcome.label != outcome.expected]
    return Burst(
        count=len(done.outcomes),
        seconds=done.elapsed_seconds,
        cpu_seconds=cpu_seconds,
        instances=frozenset(outcome.instance for outcome in done.outcomes),
        problems=tuple(
            f"{outcome.image}: {outcome.problem.message if outcome.problem else outcome.label}" for outcome in wrong
        ),
    )

"""The settings in which each peer is tried: its own defaults first, then what suits queues, minutes and boots.

Read them beside one instance that boots in 45 s, serves a request in 0.5 s and is billed for at least 60 s: 30 requests
fill its paid minute; deadlines of 5, 30 and 120 s allow a backlog of 10, 60 and 240 on it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.base import Policy
from burstlens.scaling.policy.queue_ratio import QueueRatio
from burstlens.simulate.outcome import Outcome
from burstlens.simulate.peers.dask_adaptive import DaskAdaptive
from burstlens.simulate.peers.delayed_off import DelayedOff
from burstlens.simulate.peers.keda import Keda
from burstlens.simulate.peers.knative import Knative
from burstlens.simulate.peers.ray_serve import RayServe
from burstlens.simulate.peers.selection import Score
from burstlens.simulate.peers.skyserve import QueueLength, RequestRate
from burstlens.simulate.peers.target_tracking import BacklogPerInstance
from burstlens.simulate.world import World


class Maker(Protocol):
    """Makes a policy that stays within what it is told."""

    def __call__(self, *, minimum: int, maximum: int) -> Policy:
        """A policy without a past."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer in one setting; may be pickled."""

    name: str
    """``keda:q30-s60-c60``: the peer, and what was set."""
    make: Maker
    minimum: int = 0
    """Instances that this setting never goes below."""

    def policy(self, world: World, options: ScalingOptions) -> Policy:
        """A fresh policy for one run, within the options' minimum and maximum. Peers know nothing of the world."""
        return self.make(minimum=max(self.minimum, options.min_instances), maximum=options.max_instances)


def seed(out_divisor: int, in_divisor: int, minimum: int, maximum: int) -> Policy:
    """The classic (`queue-ratio`), within these."""
    return QueueRatio(minimum, maximum, out_divisor, in_divisor)


def _seed(out_divisor: int, in_divisor: int) -> Peer:
    return Peer(f"seed:out{out_divisor}-in{in_divisor}", partial(seed, out_divisor, in_divisor))


def _keda(queue: float, stabilisation: float, cooldown: float, polling: float = 5.0, minimum: int = 0) -> Peer:
    name = f"keda:q{queue:g}-s{stabilisation:g}-c{cooldown:g}-p{polling:g}{_least(minimum)}"
    make = partial(
        Keda,
        queue_length=queue,
        stabilisation_seconds=stabilisation,
        cooldown_seconds=cooldown,
        polling_seconds=polling,
    )
    return Peer(name, make, minimum)


def _ec2(target: float, outs: int, ins: int, period: float = 60.0, minimum: int = 0) -> Peer:
    name = f"ec2-target-tracking:t{target:g}-{outs}x{period:g}-{ins}x{period:g}{_least(minimum)}"
    make = partial(BacklogPerInstance, target=target, out_periods=outs, in_periods=ins, period_seconds=period)
    return Peer(name, make, minimum)


def _rate(qps: float, up: float, down: float, minimum: int = 0) -> Peer:
    name = f"skyserve-rate:r{qps:g}-u{up:g}-d{down:g}{_least(minimum)}"
    return Peer(name, partial(RequestRate, target_qps=qps, up_seconds=up, down_seconds=down), minimum)


def _queue(threshold: int, up: float, down: float, minimum: int = 0) -> Peer:
    name = f"skyserve-queue:q{threshold}-u{up:g}-d{down:g}{_least(minimum)}"
    return Peer(name, partial(QueueLength, threshold=threshold, up_seconds=up, down_seconds=down), minimum)


def _ray(ongoing: float, up: float, down: float, look_back: float = 5.0, minimum: int = 0) -> Peer:
    name = f"ray-serve:o{ongoing:g}-u{up:g}-d{down:g}-l{look_back:g}{_least(minimum)}"
    make = partial(RayServe, target_ongoing=ongoing, up_seconds=up, down_seconds=down, look_back_seconds=look_back)
    return Peer(name, make, minimum)


def _knative(target: float, stable: float = 60.0, grace: float = 0.0, delay: float = 0.0, minimum: int = 0) -> Peer:
    name = f"knative:c{target:g}-w{stable:g}-g{grace:g}-d{delay:g}{_least(minimum)}"
    make = partial(
        Knative,
        target=target,
        stable_seconds=stable,
        panic_seconds=stable / 10,
        grace_seconds=grace,
        down_delay_seconds=delay,
    )
    return Peer(name, make, minimum)


def _dask(duration: float, waits: int, minimum: int = 0) -> Peer:
    name = f"dask:d{duration:g}-w{waits}{_least(minimum)}"
    return Peer(name, partial(DaskAdaptive, target_duration_seconds=duration, wait_count=waits), minimum)


def _delayed(wait: float, packing: float = 1.0, minimum: int = 0) -> Peer:
    name = f"delayed-off:w{wait:g}-p{packing:g}{_least(minimum)}"
    return Peer(name, partial(DelayedOff, wait_seconds=wait, packing=packing), minimum)


def _least(minimum: int) -> str:
    return f"-min{minimum}" if minimum else ""


PEERS: Sequence[Peer] = (
    *(_seed(2, 10), _seed(10, 30), _seed(30, 60)),
    *(_keda(5, 300, 300, 30), _keda(5, 0, 30), _keda(10, 0, 30), _keda(10, 60, 60), _keda(30, 0, 30)),
    *(_keda(30, 60, 60), _keda(30, 300, 300), _keda(60, 0, 30), _keda(120, 60, 60), _keda(10, 60, 60, minimum=1)),
    *(_keda(2, 60, 60, minimum=2),),
    *(_ec2(10, 3, 15), _ec2(10, 1, 1), _ec2(30, 1, 1), _ec2(30, 1, 5, minimum=1), _ec2(60, 3, 15)),
    *(_ec2(10, 1, 6, 10), _ec2(30, 1, 6, 10), _ec2(60, 1, 6, 10), _ec2(120, 1, 6, 10)),
    *(
        _rate(1, 300, 1200),
        _rate(0.25, 0, 60),
        _rate(0.5, 0, 60),
        _rate(0.75, 0, 20),
        _rate(1, 0, 60),
        _rate(1.5, 0, 60),
    ),
    *(_rate(2, 0, 60), _rate(1, 0, 300), _rate(1.5, 20, 300, minimum=1), _rate(1, 0, 600, minimum=2)),
    *(_queue(1, 300, 1200), _queue(1, 0, 60), _queue(10, 0, 20), _queue(30, 0, 60)),
    *(_ray(2, 30, 600, 30), _ray(1, 0, 60), _ray(5, 0, 60), _ray(10, 0, 60), _ray(30, 0, 0), _ray(30, 0, 60)),
    *(_ray(60, 0, 60), _ray(10, 0, 300, minimum=1)),
    *(_knative(70, grace=30), _knative(1), _knative(5), _knative(10), _knative(30), _knative(30, 30), _knative(60, 30)),
    *(_knative(10, delay=300, minimum=1),),
    *(
        _dask(5, 3),
        _dask(1, 12),
        _dask(3, 6),
        _dask(5, 12),
        _dask(15, 3),
        _dask(30, 1),
        _dask(30, 12),
        _dask(60, 3),
        _dask(120, 3),
    ),
    *(
        _delayed(120),
        _delayed(0),
        _delayed(60),
        _delayed(60, 4),
        _delayed(600),
        _delayed(15, 10),
        _delayed(60, 10),
        _delayed(0, 30),
    ),
    *(_delayed(60, 30), _delayed(300, 30, minimum=1), _delayed(15, 60)),
)
"""Every setting, the default of each peer before its others."""


def _by_peer(peers: Iterable[Peer]) -> Mapping[str, Sequence[Peer]]:
    grid: dict[str, list[Peer]] = {}
    for peer in peers:
        grid.setdefault(peer.name.partition(":")[0], []).append(peer)
    return grid


GRID: Mapping[str, Sequence[Peer]] = _by_peer(PEERS)
"""The settings of each peer by its name, its default first."""


def tune(
    run: Callable[[Policy], Outcome],
    world: World,
    options: ScalingOptions,
    deadlines: Sequence[float],
    peers: Sequence[Peer] = PEERS,
) -> list[Score]:
    """Try every setting on one scenario: a grid search.

    Args:
        run: simulates the scenario with a policy, in whichever engine.
        world: what the scenario meets.
        options: the scenario's; they bound every peer.
        deadlines: in seconds, for which the attainment is told.
        peers: the settings to try.
    """
    return [Score.of(peer.name, run(peer.policy(world, options)), deadlines) for peer in peers]

"""DelayedOff's published example, replayed: `python bench/delayed_off.py`; about a minute on one core.

Mean service 1 s, setup 200 s, 60 requests/s (the published 14.4 kW without setup are 60 × 240 W). Prints each figure
as a ratio to the published one, for a steady load and for one that swings by half over six hours.
"""

from collections.abc import Mapping

import numpy as np

from burstlens.simulate.arrivals import diurnal, poisson
from burstlens.simulate.outcome import Floats
from burstlens.simulate.setup_queue import Farm, FarmResult, run_farm

LOAD = 60.0
SECONDS = 21_600.0
WARM_UP_SECONDS = 1_500.0
SEEDS = range(3)

PUBLISHED: Mapping[str, tuple[Farm, float, float]] = {
    "no setup": (Farm(setup_seconds=0, wait_seconds=0), 1.0, 14.4),
    "DelayedOff, 320 s": (Farm(), 1.002, 18.9),
    "ON/OFF, 235 servers": (Farm(wait_seconds=0, servers=235), 13.0, 51.9),
    "ON/OFF, no limit": (Farm(wait_seconds=0), 13.0, 51.9),
}
"""By name: the farm, and the published response in seconds and power in kW."""


def loads(seed: int) -> Mapping[str, Floats]:
    rng = np.random.default_rng(seed)
    return {
        "steady": poisson(LOAD, SECONDS, rng),
        "swinging": diurnal(LOAD, SECONDS + WARM_UP_SECONDS, rng, period=SECONDS, swing=0.5),
    }


def main() -> None:
    found: dict[tuple[str, str], list[FarmResult]] = {}
    for seed in SEEDS:
        for load, arrivals in loads(seed).items():
            for name, (farm, _, _) in PUBLISHED.items():
                rng = np.random.default_rng(seed)
                result = run_farm(farm, arrivals, rng, warm_up_seconds=WARM_UP_SECONDS, on=int(LOAD))
                found.setdefault((name, load), []).append(result)
    print(f"{'policy':<22}{'load':<10}{'response s':>11}{'× published':>13}{'kW':>8}{'× published':>13}{'waiting':>9}")
    for (name, load), results in found.items():
        _, response, power = PUBLISHED[name]
        seconds = float(np.mean([result.response_seconds for result in results]))
        kilowatts = float(np.mean([result.kilowatts for result in results]))
        waiting = float(np.mean([result.waiting for result in results]))
        print(
            f"{name:<22}{load:<10}{seconds:>11.3f}{seconds / response:>13.3f}"
            f"{kilowatts:>8.1f}{kilowatts / power:>13.3f}{waiting:>9.1f}"
        )


if __name__ == "__main__":
    main()

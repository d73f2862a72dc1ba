"""Arrivals from one word of the command line: ``burst:100``, ``poisson:6:3600``."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from burstlens.errors import Misconfigured
from burstlens.simulate.arrivals import Spikes, burst, diurnal, on_off, poisson, ramp
from burstlens.simulate.outcome import Floats

MOST_REQUESTS = 50_000_000
"""More would not fit into the memory of common machines: 8 bytes each, several times over."""


@dataclass(frozen=True, slots=True)
class _Form:
    usage: str
    numbers: range
    """How many may be given."""
    expected: Callable[[list[float]], float]
    """About how many requests that makes."""
    make: Callable[[list[float], np.random.Generator], Floats]


def _diurnal(n: list[float], rng: np.random.Generator) -> Floats:
    spikes = Spikes(count=int(n[2])) if len(n) > 2 else None
    return diurnal(n[0], n[1], rng, spikes=spikes)


FORMS = {
    "burst": _Form("burst:COUNT[:AT]", range(1, 3), lambda n: n[0], lambda n, _: burst(int(n[0]), *n[1:2])),
    "poisson": _Form(
        "poisson:RATE:SECONDS", range(2, 3), lambda n: n[0] * n[1], lambda n, rng: poisson(n[0], n[1], rng)
    ),
    "diurnal": _Form("diurnal:MEAN_RATE:SECONDS[:SPIKES]", range(2, 4), lambda n: 2 * n[0] * n[1], _diurnal),
    "ramp": _Form(
        "ramp:FROM_RATE:TO_RATE:SECONDS",
        range(3, 4),
        lambda n: max(n[0], n[1]) * n[2],
        lambda n, rng: ramp(n[0], n[1], n[2], rng),
    ),
    "on-off": _Form(
        "on-off:RATE:ON_SECONDS:OFF_SECONDS:SECONDS",
        range(4, 5),
        lambda n: n[0] * n[3],
        lambda n, rng: on_off(n[0], n[1], n[2], n[3], rng),
    ),
}
"""Each form by its name; rates are requests per second."""


def arrivals_from(text: str, seed: int) -> Floats:
    """The arrivals that a text such as ``burst:100+poisson:6:3600`` describes, ascending.

    Args:
        text: one or more of `FORMS`, joined by ``+``.
        seed: of the random ones.

    Raises:
        Misconfigured: it is none of the forms, or asks for what cannot be.
    """
    rng = np.random.default_rng(seed)
    return np.sort(np.concatenate([_one(part.strip(), text, rng) for part in text.split("+")]))


def _one(part: str, text: str, rng: np.random.Generator) -> Floats:
    name, *words = part.split(":")
    form = FORMS.get(name)
    if form is None:
        known = ", ".join(each.usage for each in FORMS.values())
        message = f"arrivals {text!r}: there is no {name!r}; use one of {known}"
        raise Misconfigured(message)
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) not in form.numbers:
        message = f"arrivals {text!r}: {name} is written {form.usage}"
        raise Misconfigured(message)
    if not form.expected(numbers) <= MOST_REQUESTS:
        message = f"arrivals {text!r}: more than {MOST_REQUESTS:,} requests"
        raise Misconfigured(message)
    try:
        return form.make(numbers, rng)
    except ValueError as error:
        message = f"arrivals {text!r}: {error}"
        raise Misconfigured(message) from None

"""What this process did a moment ago, and the API may not show yet: EC2 is eventually consistent."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from burstlens.clock import Clock
from burstlens.clouds.base import Instance, State

RECENT_SECONDS = 120.0
"""How long the API may lag. AWS names no bound; it advises to ask again for "up to a few minutes" (EC2 Developer Guide,
"Eventual consistency"). In practice it is seconds."""


@dataclass(frozen=True, slots=True)
class _Birth:
    instance: Instance
    fleet: str
    token: str
    at: float


class Recent:
    """Births, and ends that were asked for, of the last `RECENT_SECONDS`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._births: dict[str, _Birth] = {}
        self._ending: dict[str, float] = {}

    def note_birth(self, instance: Instance, fleet: str, token: str) -> None:
        """Count it although the API may not list it yet (R1, R2)."""
        self._births[instance.id] = _Birth(instance, fleet, token, self._clock.now())

    def note_ending(self, ids: Iterable[str]) -> None:
        """Show these as draining although the API may not say so yet."""
        self._ending.update(dict.fromkeys(ids, self._clock.now()))

    def knows(self, instance_id: str) -> bool:
        """Whether it was born here a moment ago, so that "not found" only means "not yet"."""
        self._forget()
        return instance_id in self._births

    def of_launch(self, fleet: str, token: str) -> list[Instance]:
        """What was born of this launch."""
        self._forget()
        return [birth.instance for birth in self._births.values() if (birth.fleet, birth.token) == (fleet, token)]

    def corrected(self, fleet: str, listed: Sequence[Instance]) -> list[Instance]:
        """The fleet's instances that exist, from what the API lists of it, terminated ones included."""
        self._forget()
        return [*self._existing(listed), *self._unlisted(fleet, {instance.id for instance in listed})]

    def _existing(self, listed: Sequence[Instance]) -> Iterator[Instance]:
        for instance in listed:
            if instance.state is not State.TERMINATED:
                yield self._as_asked(instance)
            elif instance.fault and instance.id in self._births and instance.id not in self._ending:
                # Born here and ended by EC2 before it ran: it is shown as failed until it is terminated, since the
                # autoscaler would otherwise launch such instances for ever.
                yield replace(instance, state=State.FAILED)
            else:
                self._births.pop(instance.id, None)

    def _unlisted(self, fleet: str, listed: set[str]) -> Iterator[Instance]:
        for birth in self._births.values():
            if birth.fleet == fleet and birth.instance.id not in listed:
                yield self._as_asked(birth.instance)

    def _as_asked(self, instance: Instance) -> Instance:
        asked_to_end = instance.id in self._ending and instance.state is not State.FAILED
        return replace(instance, state=State.DRAINING) if asked_to_end else instance

    def _forget(self) -> None:
        since = self._clock.now() - RECENT_SECONDS
        self._births = {id_: birth for id_, birth in self._births.items() if birth.at > since}
        self._ending = {id_: at for id_, at in self._ending.items() if at > since}

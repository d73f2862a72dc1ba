"""One server, as nova shows it and as the port does. Pure."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from burstlens.clouds.base import Instance, State
from burstlens.clouds.offers import Offer
from burstlens.clouds.openstack import tags
from burstlens.openstack.errors import is_no_capacity

_STATES = {
    "BUILD": State.PENDING,
    "SHUTOFF": State.DRAINING,
    "ERROR": State.FAILED,
    "PAUSED": State.FAILED,
    "SUSPENDED": State.FAILED,
    "RESCUE": State.FAILED,
    "SHELVED": State.FAILED,
    "SHELVED_OFFLOADED": State.FAILED,
    "DELETED": State.TERMINATED,
    "SOFT_DELETED": State.TERMINATED,
}
"""What somebody else has stopped, or taken into his hands, recognises nothing and holds its place: it has failed, and
is removed. In any other status (``ACTIVE``, ``REBOOT``, ``MIGRATING``, ``VERIFY_RESIZE``, ``UNKNOWN``, …) the guest
runs, or is about to again, and heartbeats tell whether it works."""

_DELETING = frozenset({"deleting", "soft-deleting"})
_ENDING = _DELETING | {"powering-off"}
"""Tasks that end a server, whatever its status is until then."""


class Fault(BaseModel):
    """What nova says about a server in ``ERROR``."""

    model_config = ConfigDict(frozen=True)

    message: str = ""
    created: datetime


class Server(BaseModel):
    """A server in an answer of nova's at `burstlens.openstack.session.COMPUTE_VERSION`.

    Raises:
        ValidationError: on creation, when it is none.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    id: str = Field(min_length=1)
    name: str
    status: str
    created: datetime
    task: str | None = Field(default=None, alias="OS-EXT-STS:task_state")
    description: str | None = None
    tags: frozenset[str] = frozenset()
    metadata: dict[str, str] = Field(default_factory=dict)
    fault: Fault | None = None

    @property
    def state(self) -> State:
        """Where it is in its life."""
        state = _STATES.get(self.status, State.RUNNING)
        return State.DRAINING if self.task in _ENDING and state.counts else state

    @property
    def is_done(self) -> bool:
        """Whether it is off and at rest: its worker has ended, and nova keeps its place until it is deleted."""
        return self.status == "SHUTOFF" and self.task is None

    @property
    def is_building(self) -> bool:
        """Whether no guest runs yet, so that there is nothing to stop."""
        return self.status == "BUILD"

    @property
    def is_being_deleted(self) -> bool:
        """Whether it is about to be gone."""
        return not self.state.counts or self.task in _DELETING

    def is_of(self, fleet: str) -> bool:
        """Whether the server itself says that it belongs to the fleet."""
        return tags.fleet_tag(fleet) in self.tags

    @property
    def refused_offer(self) -> Offer | None:
        """The offer that had no host for it, if that is why it failed."""
        if self.fault is None or not is_no_capacity(self.fault.message):
            return None
        own = self.metadata
        return Offer(own.get(tags.POOL, ""), own.get(tags.FLAVOR, ""), own.get(tags.ZONE, ""))

    def instance(self, pool: str = "") -> Instance:
        """As the port shows it; `pool` is for one that has ended, of which nova has forgotten the metadata."""
        state = self.state
        fault = self.fault.message.strip() if self.fault is not None else f"it is {self.status}"
        return Instance(
            id=self.id,
            name=self.name,
            pool=self.metadata.get(tags.POOL, pool),
            state=state,
            launched_at=self.created.timestamp(),
            fault=fault if state is State.FAILED else "",
        )

    def deleting(self) -> Self:
        """The same on its way out."""
        return self.model_copy(update={"task": "deleting"})

    def ended(self) -> Self:
        """The same after its end."""
        return self.model_copy(update={"status": "DELETED", "task": None})

"""What this process knows of servers, beyond what nova lists."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from burstlens.clock import Clock
from burstlens.clouds.base import State
from burstlens.clouds.openstack.server import Server

HISTORY_SECONDS = 3_600.0
"""How long an ended server is known, so that a launch which is repeated after it launches nothing."""
DELETING_SECONDS = 120.0
"""How long a delete that nova has accepted may take before what nova shows is believed again."""


@dataclass(slots=True)
class Memory:
    """The servers that were seen alive, those that were asked to go, and those that have ended since.

    One that is no longer listed need not be gone: nova leaves out what is in a cell that does not answer
    (``list_records_by_skipping_down_cells``, on by default). One that was deleted before it left the API has never
    been in a cell, so only who launched it knows that it was ever there. And one that is deleted while it is being
    built is shown as building, even as active, until its host has read that it is to go.
    """

    clock: Clock
    _alive: dict[str, Server] = field(default_factory=dict)
    _deleted: dict[str, float] = field(default_factory=dict)
    _ended: dict[str, tuple[Server, float]] = field(default_factory=dict)

    def note(self, servers: Iterable[Server]) -> None:
        """These were seen."""
        for server in servers:
            if server.state is State.TERMINATED:
                self.note_end(server)
            else:
                self._alive[server.id] = server

    def note_delete(self, server_id: str) -> None:
        """Nova has accepted to delete this one."""
        now = self.clock.now()
        self._deleted = {key: at for key, at in self._deleted.items() if now - at < DELETING_SECONDS} | {server_id: now}

    def as_asked(self, server: Server) -> Server:
        """The same server, as being deleted if that was asked a moment ago."""
        asked_at = self._deleted.get(server.id, 0.0)
        return server.deleting() if self.clock.now() - asked_at < DELETING_SECONDS else server

    def note_end(self, server: Server) -> None:
        """This one is gone."""
        now = self.clock.now()
        self._alive.pop(server.id, None)
        self._deleted.pop(server.id, None)
        self._ended = {key: entry for key, entry in self._ended.items() if entry[1] > now - HISTORY_SECONDS}
        self._ended[server.id] = (server.ended(), now)

    def unlisted(self, fleet: str, listed: Iterable[Server]) -> list[Server]:
        """Those of the fleet that were seen alive and are not among these."""
        ids = {server.id for server in listed}
        return [server for server in self._alive.values() if server.is_of(fleet) and server.id not in ids]

    def ended(self, description: str) -> list[Server]:
        """Those of this launch that ended within `HISTORY_SECONDS`."""
        return [server for server, _ in self._ended.values() if server.description == description]

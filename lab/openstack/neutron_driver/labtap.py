# mypy: ignore-errors
"""How neutron binds ports here: as tap devices that nova makes, on any host, without an agent.

It runs inside neutron, in the lab's own venv; neutron finds it by the entry point beside it.
"""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class LabTap(api.MechanismDriver):
    """Binds every port of a flat or local network as ``VIF_TYPE_TAP``."""

    def initialize(self) -> None:
        """Nothing is needed."""

    @property
    def connectivity(self) -> str:
        """What a bound port reaches."""
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context: api.PortContext) -> None:
        """Bind to the first segment of a kind that a tap can be on."""
        for segment in context.segments_to_bind:
            if segment[api.NETWORK_TYPE] in {constants.TYPE_FLAT, constants.TYPE_LOCAL}:
                details = {portbindings.CAP_PORT_FILTER: False}
                context.set_binding(segment[api.ID], portbindings.VIF_TYPE_TAP, details, constants.PORT_STATUS_ACTIVE)
                return

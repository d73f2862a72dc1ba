"""How many instances are wanted: pure functions of what was observed, by name."""

from collections.abc import Callable, Mapping

from burstlens.errors import Misconfigured
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.base import Policy
from burstlens.scaling.policy.queue_ratio import QueueRatio

POLICIES: Mapping[str, Callable[[ScalingOptions], Policy]] = {"queue-ratio": QueueRatio.from_options}
"""Every policy by the name that settings use."""


def policy_from(options: ScalingOptions) -> Policy:
    """The policy that the settings name.

    Raises:
        Misconfigured: there is none of this name.
    """
    try:
        return POLICIES[options.policy](options)
    except KeyError:
        known = ", ".join(sorted(POLICIES))
        message = f"scaling.policy: there is no policy {options.policy!r}; use one of: {known}"
        raise Misconfigured(message) from None

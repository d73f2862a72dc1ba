"""How many instances are wanted: pure functions of what was observed, by name."""

from collections.abc import Callable, Mapping

from burstlens.errors import Misconfigured
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.base import Policy
from burstlens.scaling.policy.custom import custom_names, find_custom
from burstlens.scaling.policy.deadline import Deadline
from burstlens.scaling.policy.queue_ratio import QueueRatio
from burstlens.scaling.policy.schedule import Schedule
from burstlens.scaling.policy.target_tracking import TargetTracking

POLICIES: Mapping[str, Callable[[ScalingOptions], Policy]] = {
    "deadline": Deadline.from_options,
    "queue-ratio": QueueRatio.from_options,
    "target-tracking": TargetTracking.from_options,
    "schedule": Schedule.from_options,
}
"""Every policy by the name that settings use."""


def policy_from(options: ScalingOptions) -> Policy:
    """The policy that the settings name.

    Raises:
        Misconfigured: there is none of this name.
    """
    make = POLICIES.get(options.policy) or find_custom(options.policy)
    if make is None:
        known = ", ".join([*sorted(POLICIES), *custom_names(), "or module:attribute"])
        message = f"scaling.policy: there is no policy {options.policy!r}; use one of: {known}"
        raise Misconfigured(message)
    return make(options)

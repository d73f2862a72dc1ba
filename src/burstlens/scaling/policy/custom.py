"""Policies of one's own (R17): from any importable module, or by the name that an installed package gives them."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from burstlens.errors import Misconfigured
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.base import Policy

GROUP = "burstlens.policies"
"""The entry points' group. Each is what makes the policy from the settings, as the values of `POLICIES` are."""


def find_custom(name: str) -> Callable[[ScalingOptions], Policy] | None:
    """What makes the policy of this name; None when nobody has any.

    Args:
        name: ``module:attribute``, such as ``my_fleet.night:Night.from_options``, or the name of an entry point.

    Raises:
        Misconfigured: it cannot be imported, or is nothing that makes a policy.
    """
    if ":" in name:
        if not EntryPoint.pattern.match(name):
            message = f"scaling.policy: {name!r} is no module:attribute"
            raise Misconfigured(message)
        return _loaded(EntryPoint(name, name, GROUP))
    return next((_loaded(entry) for entry in entry_points(group=GROUP, name=name)), None)


def custom_names() -> list[str]:
    """The names that installed packages give."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def _loaded(entry: EntryPoint) -> Callable[[ScalingOptions], Policy]:
    def make(options: ScalingOptions) -> Policy:
        try:
            policy: Policy = factory(options)
        except Exception as error:
            message = f"scaling.policy: {entry.value} makes no policy from ScalingOptions: {_told(error)}"
            raise Misconfigured(message) from error
        if not callable(getattr(policy, "desired", None)):
            message = f"scaling.policy: {entry.value} gives {type(policy).__name__}, which has no desired(observation)"
            raise Misconfigured(message)
        return policy

    try:
        factory = entry.load()
    except Exception as error:
        message = (
            f"scaling.policy: {entry.value} cannot be imported: {_told(error)}; install its package where the "
            "autoscaler runs, or name its folder in PYTHONPATH"
        )
        raise Misconfigured(message) from error
    if not callable(factory):
        message = f"scaling.policy: {entry.value} is nothing that makes a policy from ScalingOptions"
        raise Misconfigured(message)
    return make


def _told(error: Exception) -> str:
    """One line of whatever somebody else's code raised."""
    return " ".join(str(error).split()) or type(error).__name__

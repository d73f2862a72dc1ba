"""What to try, by name: burstlens's policies, those of one's own, and peers in their settings."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

from burstlens.errors import Misconfigured
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy import POLICIES, policy_from
from burstlens.scaling.policy.custom import custom_names
from burstlens.simulate.peers.grid import GRID, Peer

DEFAULT = "default"
"""The first setting of a peer's grid."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One policy in one setting."""

    policy: str
    """What settings may name, or a peer."""
    setting: str = ""
    """The peer's; of another policy, words for `changes`."""
    changes: Mapping[str, object] = field(default_factory=dict)
    """Of the scenario's options."""

    @property
    def name(self) -> str:
        """Policy and setting in one word."""
        return f"{self.policy}:{self.setting}" if self.setting else self.policy


def trials(name: str, options: ScalingOptions) -> list[Trial]:
    """What to run for a name on the command line.

    A policy that settings may name (``deadline``, or ``my_fleet:Night`` of one's own) and a peer in one setting
    (``keda:SETTING``, ``keda:default``) are one trial; a peer's bare name is one for each setting of its grid.

    Raises:
        Misconfigured: there is none of this name; it says which ones are near.
    """
    family, _, setting = name.partition(":")
    if family not in GRID:
        return [_own(name, options)]
    if not setting:
        return [Trial(family, setting_of(peer)) for peer in GRID[family]]
    return [Trial(family, setting_of(peer_of(family, setting)))]


def peer_of(family: str, setting: str) -> Peer:
    """A peer in one of its settings.

    Raises:
        Misconfigured: it has none of this name.
    """
    if setting == DEFAULT:
        return GRID[family][0]
    found = {setting_of(peer): peer for peer in GRID[family]}
    if setting not in found:
        raise Misconfigured(_unknown(f"setting of {family}", setting, [DEFAULT, *found]))
    return found[setting]


def setting_of(peer: Peer) -> str:
    """The name of its setting, without that of the peer."""
    return peer.name.partition(":")[2] or peer.name


def _own(name: str, options: ScalingOptions) -> Trial:
    if name not in {*POLICIES, *custom_names()} and (":" not in name or _is_misspelt_peer(name)):
        raise Misconfigured(_unknown("policy", name.partition(":")[0], sorted({*POLICIES, *custom_names(), *GRID})))
    policy_from(options.model_copy(update={"policy": name}))
    return Trial(name)


def _is_misspelt_peer(name: str) -> bool:
    """Whether a ``module:attribute`` is rather meant for a peer in one of its settings."""
    module = name.partition(":")[0]
    return "." not in module and bool(difflib.get_close_matches(module, GRID, cutoff=0.8)) and not find_spec(module)


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"use one of {', '.join(known)}"
    return f"there is no {what} {name!r}; {hint}"

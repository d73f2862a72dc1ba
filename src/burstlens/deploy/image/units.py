"""The systemd units of the image. None is enabled in it: user data says which of them a machine runs.

How an instance ends, whatever fails:

- Its workers end by themselves (no autoscaler is alive, `worker.ends_at` is near), or drain: the unit has succeeded,
  and `ExecStopPost` powers the machine off, which terminates it (its cloud's shutdown behaviour). `SuccessAction` is
  meant for that, but in Debian 12 (systemd 252) it acts when a service that has failed is started again, too: a guest
  was off after the first crash of its worker.
- The worker does not start, or dies again and again: `StartLimitAction` powers off. `FailureAction` would do so at the
  first failure, before any restart (systemd issue 11419).
- It hangs, and no autoscaler is left to see that: `burstlens-lifetime.timer` powers off, in good order, a day after the
  boot. Neither the worker, its unit nor any service elsewhere has a part in that. `RuntimeMaxSec` would only start the
  worker again, and ``shutdown -P +N`` in user data would be forgotten by a reboot. A fleet whose instances are to be
  renewed sooner has `worker.lifetime_seconds`.
"""

from importlib.resources import files

_UNITS = files(__package__) / "units"


def unit_files() -> dict[str, str]:
    """Every unit's text, by its name, such as ``burstlens-worker.service``."""
    return {name: read_unit(name) for name in sorted(unit.name for unit in _UNITS.iterdir())}


def read_unit(name: str) -> str:
    """One unit's text.

    Raises:
        FileNotFoundError: the image has no such unit.
    """
    return (_UNITS / name).read_text(encoding="utf-8")

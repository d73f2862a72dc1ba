"""Reading settings: the environment (``BURSTLENS_WEB__PORT=9000``) over burstlens.toml over defaults."""

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from burstlens.errors import Misconfigured
from burstlens.settings.model import Settings

CONFIG_NAME = "burstlens.toml"


def load_settings(config: Path | None = None, **given: object) -> Settings:
    """Read the settings.

    Args:
        config: the file; None is $BURSTLENS_CONFIG, else ``burstlens.toml`` in this folder if there is one.
        given: top-level settings from the command line; None is not given.

    Raises:
        Misconfigured: with one line that names the file, the setting and what to do.
    """
    named = config or (Path(os.environ["BURSTLENS_CONFIG"]) if "BURSTLENS_CONFIG" in os.environ else None)
    path = named or Path(CONFIG_NAME)
    values = _read(path) if named or path.exists() else {}
    if not values.get("pools"):
        values = _merge(one_machine(), values)
    try:
        settings = Settings(**values)
    except (ValidationError, SettingsError) as error:
        raise Misconfigured(_explain(error, path)) from None
    return settings.model_copy(update={name: value for name, value in given.items() if value is not None})


def one_machine() -> dict[str, Any]:
    """Defaults of a deployment with no `[[pools]]`: processes start in half a second and cost nothing."""
    return {
        "queue": {"lease_seconds": 10.0},
        "worker": {"processes": 1, "orphan_seconds": 60.0},
        "scaling": {"tick_seconds": 1.0, "window": 5, "max_instances": cores()},
    }


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = f"{path}: there is no such file"
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read: {error}"
    except tomllib.TOMLDecodeError as error:
        message = f"{path}: not valid TOML: {error}"
    raise Misconfigured(message)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings as one; what is above wins."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _explain(error: ValidationError | SettingsError, path: Path) -> str:
    """The first thing that is wrong, in one line, with the nearest right name for an unknown one."""
    if isinstance(error, SettingsError):
        return f"environment: {error}"
    # a misspelt name also leaves the right one missing: the misspelling is what to tell
    first = min(error.errors(include_url=False, include_input=False), key=lambda e: e["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{path}: {where}: {first['msg']}"
    near = difflib.get_close_matches(str(first["loc"][-1]), _known(first["loc"][:-1]), n=1)
    return f"{path}: {where}: there is no such setting" + (f"; did you mean {near[0]}?" if near else "")


def _known(section: Sequence[int | str]) -> list[str]:
    """The names that this section may hold."""
    model: type[BaseModel] = Settings
    for name in section:
        field = model.model_fields.get(str(name))
        if field is None:
            continue  # the number of an entry in a list
        inner = [a for a in (field.annotation, *get_args(field.annotation)) if isinstance(a, type)]
        model = next((a for a in inner if issubclass(a, BaseModel)), model)
    return list(model.model_fields)

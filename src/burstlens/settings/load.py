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
from burstlens.settings.model import Settings, first_problem

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
        "worker": {"orphan_seconds": 60.0},
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
    names, what = first_problem(error)
    where = f"{_source(names, path)}: {'.'.join(names)}"
    known = _known(names[:-1])
    if names[-1] in known or names[-1].isdecimal():
        return f"{where}: {what}"
    near = difflib.get_close_matches(names[-1], known, n=1)
    return f"{where}: there is no such setting" + (f"; did you mean {near[0]}?" if near else "")


def _source(names: Sequence[str], path: Path) -> str:
    """The variable that the setting comes from, or else the file."""
    variables = ["BURSTLENS_" + "__".join(names[:length]).upper() for length in range(len(names), 0, -1)]
    return next((variable for variable in variables if variable in os.environ), str(path))


def _known(section: Sequence[str]) -> list[str]:
    """The names that this section may hold."""
    model: type[BaseModel] = Settings
    for name in section:
        field = model.model_fields.get(name)
        if field is None:
            continue  # the number of an entry in a list
        inner = [a for a in (field.annotation, *get_args(field.annotation)) if isinstance(a, type)]
        model = next((a for a in inner if issubclass(a, BaseModel)), model)
    return list(model.model_fields)

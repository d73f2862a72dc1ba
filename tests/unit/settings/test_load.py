"""Where settings come from, and what is said of those that cannot work."""

import json
import os
from pathlib import Path

import pytest

from burstlens.errors import Misconfigured
from burstlens.settings import Settings, load_settings
from burstlens.settings.load import cores

POOL = '[[pools]]\nname = "lab"\ncloud = "local"\ncap = 3\n'


def write(text: str, name: str = "burstlens.toml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def refusal(config: Path | None = None) -> str:
    """What is said of settings that are refused, which is one line."""
    with pytest.raises(Misconfigured) as caught:
        load_settings(config)
    (line,) = str(caught.value).splitlines()
    return line


def test_without_a_file_everything_has_a_default() -> None:
    settings = load_settings()

    assert settings.fleet == "burstlens"
    assert settings.data == Path("burstlens-data")
    assert (settings.web.host, settings.web.port) == ("127.0.0.1", 8000)
    assert settings.model.name == "lite0"


def test_one_machine_is_quick_and_has_as_many_instances_as_cores_one_worker_each() -> None:
    settings = load_settings()

    assert json.loads(settings.spec().environment["BURSTLENS_WORKER"])["processes"] == 1
    assert settings.worker_processes() == cores()  # of a worker started by hand
    assert settings.scaling.max_instances == cores() == len(os.sched_getaffinity(0))
    (pool,) = settings.fleet_pools()
    assert (pool.cloud, pool.cap) == ("local", cores())
    assert settings.scaling.tick_seconds == 1.0
    assert settings.queue.lease_seconds == 10.0


def test_what_one_machine_has_for_defaults_can_be_set() -> None:
    write("[scaling]\nmax_instances = 7\n[worker]\norphan_seconds = 5\n")

    settings = load_settings()

    assert settings.scaling.max_instances == settings.fleet_pools()[0].cap == 7
    assert settings.worker.orphan_seconds == 5
    assert (settings.scaling.tick_seconds, settings.queue.lease_seconds) == (1.0, 10.0)


def test_with_pools_the_defaults_are_those_of_a_fleet() -> None:
    write(POOL)

    settings = load_settings()

    plain = Settings()
    assert (settings.queue, settings.worker, settings.scaling) == (plain.queue, plain.worker, plain.scaling)
    assert settings.worker_processes() == cores()
    (pool,) = settings.fleet_pools()
    assert (pool.name, pool.cloud, pool.cap) == ("lab", "local", 3)


def test_an_empty_list_of_pools_is_one_machine() -> None:
    write("pools = []\n")
    assert load_settings() == load_settings(Path(os.devnull))


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write('fleet = "from-file"\n[web]\nport = 1\nhost = "from-file"\n[queue]\nname = "from-file"\n')
    monkeypatch.setenv("BURSTLENS_FLEET", "from-environment")
    monkeypatch.setenv("BURSTLENS_WEB__PORT", "9000")
    monkeypatch.setenv("BURSTLENS_QUEUE", '{"max_attempts": 5}')

    settings = load_settings()

    assert settings.fleet == "from-environment"
    assert (settings.web.port, settings.web.host) == (9000, "from-file")
    assert (settings.queue.max_attempts, settings.queue.name) == (5, "from-file")


def test_the_command_line_wins_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    write('data = "from-file"\nfleet = "from-file"\n')
    monkeypatch.setenv("BURSTLENS_DATA", "from-environment")

    settings = load_settings(data=Path("given"), fleet=None)

    assert (settings.data, settings.fleet) == (Path("given"), "from-file")


def test_the_file_is_the_one_given_else_the_one_of_the_environment_else_the_one_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write('fleet = "here"\n')
    assert load_settings().fleet == "here"

    monkeypatch.setenv("BURSTLENS_CONFIG", str(write('fleet = "named"\n', "named.toml")))
    assert load_settings().fleet == "named"

    assert load_settings(write('fleet = "given"\n', "given.toml")).fleet == "given"


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("flet = 'a'", "flet: there is no such setting; did you mean fleet?"),
        ("[web]\nprot = 1", "web.prot: there is no such setting; did you mean port?"),
        ("[scaling]\nmax_instance = 1", "scaling.max_instance: there is no such setting; did you mean max_instances?"),
        ("[model]\nnam = 'lite0'", "model.nam: there is no such setting; did you mean name?"),
        (POOL + "ordr = 1", "pools.0.ordr: there is no such setting; did you mean order?"),
        (POOL + POOL.replace("cap", "kap"), "pools.1.kap: there is no such setting; did you mean cap?"),
        ("[web]\nxyzzy = 1", "web.xyzzy: there is no such setting"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_right_one(toml: str, says: str) -> None:
    write(toml)
    assert refusal() == f"burstlens.toml: {says}"


@pytest.mark.parametrize(
    ("toml", "where"),
    [
        ("fleet = 'Not A Name'", "fleet"),
        ("web = 3", "web"),
        ("[web]\nport = 'http'", "web.port"),
        ("[web]\nport = 65536", "web.port"),
        ("[queue]\nlease_seconds = 0", "queue.lease_seconds"),
        ("[queue]\nsynchronous = 'off'", "queue.synchronous"),
        ("[buckets]\nlayout = 'flat'", "buckets.layout"),
        ("[worker]\nprocesses = -1", "worker.processes"),
        ("[[pools]]\nname = 'lab'\ncloud = 'local'", "pools.0.cap"),
        (POOL.replace('"local"', '"moon"'), "pools.0.cloud"),
        ("[scaling]\nmin_instances = 9\nmax_instances = 1", "scaling"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_its_name(toml: str, where: str) -> None:
    write(toml)
    assert refusal().startswith(f"burstlens.toml: {where}: ")


def test_settings_that_contradict_each_other_are_told_in_their_own_words() -> None:
    write("[scaling]\nmin_instances = 9\nmax_instances = 1")
    assert refusal() == "burstlens.toml: scaling: min_instances (9) is more than max_instances (1)"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("BURSTLENS_WEB__PORT", "http", "valid integer"),
        ("BURSTLENS_WEB__PROT", "1", "there is no such setting; did you mean port?"),
        ("BURSTLENS_FLEET", "Not A Name", "should match pattern"),
        ("BURSTLENS_WEB", '{"port": 65536}', "less than or equal to 65535"),
    ],
)
def test_a_bad_variable_is_refused_by_its_own_name_and_not_as_if_it_were_in_the_file(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    write("[web]\nhost = '127.0.0.1'\n")
    monkeypatch.setenv(name, value)

    line = refusal()

    assert line.startswith(f"{name}: ")
    assert says in line
    assert "burstlens.toml" not in line


def test_a_section_in_the_environment_that_is_no_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURSTLENS_WEB", "{port")
    assert refusal().startswith("environment: ")


def test_a_file_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(Path("nowhere.toml")) == "nowhere.toml: there is no such file"

    monkeypatch.setenv("BURSTLENS_CONFIG", "nor-here.toml")
    assert refusal() == "nor-here.toml: there is no such file"


def test_a_file_that_cannot_be_read_as_toml_is_refused_with_the_place(folder: Path) -> None:
    assert refusal(write("[web]\nport = = 1\n")).startswith("burstlens.toml: not valid TOML: ")
    assert "line 2" in refusal()

    assert refusal(folder).startswith(f"{folder}: cannot be read: ")

    Path("latin.toml").write_bytes(b'fleet = "caf\xe9"')
    assert refusal(Path("latin.toml")).startswith("latin.toml: cannot be read: ")

"""The units of the image against the program that they run; systemd's own check is an integration test."""

from configparser import ConfigParser

import pytest

from burstlens.cli import COMMANDS
from burstlens.clouds.ec2.metadata import LONGEST_WAIT_SECONDS
from burstlens.clouds.user_data import AUTOSCALER_UNIT, CREDENTIALS_FILE, ENVIRONMENT_FILE, WEB_UNIT, WORKER_UNIT
from burstlens.deploy.image import unit_files
from burstlens.settings.model import INSTANCE_DATA
from burstlens.worker.options import WorkerOptions


def unit(name: str) -> ConfigParser:
    """What is said more than once is there as it was said last; see `every`."""
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # as its documentation says
    parser.read_string(unit_files()[name])
    return parser


def every(name: str, option: str) -> list[str]:
    """All values of an option that may be said more than once, in order."""
    lines = unit_files()[name].splitlines()
    return [line.removeprefix(f"{option}=") for line in lines if line.startswith(f"{option}=")]


@pytest.mark.parametrize("name", [WORKER_UNIT, WEB_UNIT, AUTOSCALER_UNIT])
def test_a_tier_runs_one_of_our_commands_with_the_settings_of_user_data_in_folders_it_may_write(name: str) -> None:
    service = unit(name)["Service"]

    assert service["ExecStart"].partition("/opt/burstlens/bin/burstlens ")[2] in COMMANDS
    # The minus: most machines have no such file, and start all the same.
    assert every(name, "EnvironmentFile") == [ENVIRONMENT_FILE, f"-{CREDENTIALS_FILE}"]
    assert f"/var/lib/{service['StateDirectory']}" == service["WorkingDirectory"] == INSTANCE_DATA
    assert service["Environment"] == f"BURSTLENS_CACHE=/var/cache/{service['CacheDirectory']}"
    assert service["User"] == "burstlens"
    assert service["NoNewPrivileges"] == "yes"


def test_the_machine_goes_with_its_worker_however_that_ends() -> None:
    worker = unit(WORKER_UNIT)

    assert worker["Unit"]["StartLimitAction"] == "poweroff"
    assert "SuccessAction" not in worker["Unit"], "it would act at each restart"
    assert worker["Service"]["ExecStopPost"].startswith("+"), "only root may power off"
    assert worker["Service"]["Restart"] == "on-failure"


def test_a_worker_that_never_finds_its_metadata_reaches_the_limit_of_starts() -> None:
    worker = unit(WORKER_UNIT)
    each = LONGEST_WAIT_SECONDS + float(worker["Service"]["RestartSec"]) + 5.0
    starts, within = int(worker["Unit"]["StartLimitBurst"]), float(worker["Unit"]["StartLimitIntervalSec"])

    assert starts * each < within


def test_systemd_is_more_patient_than_a_drain() -> None:
    assert float(unit(WORKER_UNIT)["Service"]["TimeoutStopSec"]) >= 2 * WorkerOptions().drain_seconds


def test_a_worker_has_a_longest_life_and_the_other_tiers_live_on_whatever_happens() -> None:
    lifetime = "burstlens-lifetime.timer"

    assert lifetime in unit(WORKER_UNIT)["Unit"]["Wants"].split()
    assert unit(lifetime)["Timer"]["OnBootSec"] == "1d"
    assert "poweroff" in unit(lifetime.replace("timer", "service"))["Service"]["ExecStart"]
    for name in (WEB_UNIT, AUTOSCALER_UNIT):
        assert lifetime not in unit(name)["Unit"]["Wants"]
        assert "ExecStopPost" not in unit(name)["Service"]
        assert unit(name)["Service"]["Restart"] == "always"
        assert unit(name)["Unit"]["StartLimitIntervalSec"] == "0"

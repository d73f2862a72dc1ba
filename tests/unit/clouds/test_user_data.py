"""User data as cloud-init reads it: as YAML; and the environment file in it as systemd does."""

import shlex
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # has no types of its own
from hypothesis import given
from hypothesis import strategies as st

from burstlens.clouds.user_data import (
    AUTOSCALER_UNIT,
    ENVIRONMENT_FILE,
    MAX_BYTES,
    WEB_UNIT,
    WORKER_UNIT,
    cloud_config,
    environment_file,
    machine_user_data,
    worker_user_data,
)
from burstlens.deploy.image import unit_files
from burstlens.errors import Misconfigured
from burstlens.settings import Settings
from burstlens.settings.model import BucketSettings, QueueSettings

names = st.from_regex(r"BURSTLENS_[A-Z0-9_]{1,20}", fullmatch=True)
values = st.text().filter(lambda text: text.isprintable() and "'" not in text)


def parsed(user_data: str) -> dict[str, Any]:
    header, _, body = user_data.partition("\n")
    assert header == "#cloud-config"
    config: dict[str, Any] = yaml.safe_load(body)
    assert yaml.safe_load(user_data) == config
    return config


def environment_of(user_data: str) -> dict[str, str]:
    """As the units see it."""
    (content,) = [file["content"] for file in parsed(user_data)["write_files"] if file["path"] == ENVIRONMENT_FILE]
    return dict(word.split("=", 1) for word in shlex.split(content))


@given(st.dictionaries(names, values, max_size=5))
def test_every_setting_arrives_as_it_was_sent(environment: dict[str, str]) -> None:
    assert environment_of(worker_user_data(environment)) == environment


def test_settings_of_a_real_fleet_arrive_and_fit() -> None:
    buckets = BucketSettings(inputs="s3://in", outputs="s3://out", fleet="s3://the-fleet/o'brien")
    settings = Settings(queue=QueueSettings(url="sqs:burstlens"), buckets=buckets)

    user_data = worker_user_data(settings.spec("ec2").environment)

    told = environment_of(user_data)
    assert BucketSettings.model_validate_json(told["BURSTLENS_BUCKETS"]) == buckets
    assert told["BURSTLENS_FLEET"] == settings.fleet
    assert len(user_data) < MAX_BYTES / 4


@pytest.mark.parametrize("value", ["it's", "two\nlines", "a\x00b", "\x7f"])
def test_a_setting_that_would_not_arrive_is_refused_by_name(value: str) -> None:
    with pytest.raises(Misconfigured, match="BURSTLENS_FLEET"):
        environment_file({"BURSTLENS_FLEET": value})


@pytest.mark.parametrize("units", [[WORKER_UNIT], [WEB_UNIT, AUTOSCALER_UNIT]])
def test_a_machine_runs_units_that_the_image_has_now_and_after_a_reboot(units: list[str]) -> None:
    (command,) = parsed(machine_user_data({}, units))["runcmd"]

    assert command == ["systemctl", "enable", "--now", "--no-block", *units]
    assert set(units) <= unit_files().keys()


def test_files_packages_and_commands_are_what_cloud_init_calls_them() -> None:
    config = parsed(cloud_config({"/etc/motd": "hello\n\tworld\n"}, [["echo", "a b"], ["poweroff"]], ["curl"]))

    assert config == {
        "write_files": [{"path": "/etc/motd", "content": "hello\n\tworld\n", "permissions": "0644"}],
        "runcmd": [["echo", "a b"], ["poweroff"]],
        "package_update": True,
        "packages": ["curl"],
    }


def test_more_than_a_cloud_takes_is_refused_in_bytes() -> None:
    fits = cloud_config({"/a": "x"}, [])
    room = MAX_BYTES - len(fits)

    assert len(cloud_config({"/a": "x" * (1 + room)}, [])) == MAX_BYTES
    with pytest.raises(Misconfigured, match="16,385 bytes"):
        cloud_config({"/a": "x" * (2 + room)}, [])
    with pytest.raises(Misconfigured, match="16,385 bytes"):
        cloud_config({"/a": "x" * (room - 1) + "☃"}, [])

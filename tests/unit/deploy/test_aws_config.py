"""The settings file that `up` writes, and what the web host is told."""

import json
import os
import tomllib
from pathlib import Path

import pytest

from burstlens.clouds.user_data import ENVIRONMENT_FILE
from burstlens.deploy.aws.config import (
    difference,
    missing_role,
    missing_zones,
    settings_text,
    web_user_data,
    write_settings,
)
from burstlens.deploy.aws.names import Names
from burstlens.deploy.aws.parameters import LONGEST_VALUE
from burstlens.deploy.whole_file import check_writable
from burstlens.errors import Misconfigured
from burstlens.queues.base import QueueOptions
from burstlens.settings import Settings, load_settings

NAMES = Names("cams", "123456789012", "eu-central-1")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("BURSTLENS_"):
            monkeypatch.delenv(name)


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "burstlens.toml"
    path.write_text(text)
    return load_settings(path)


def test_the_file_loads_as_the_settings_of_this_fleet(tmp_path: Path) -> None:
    settings = loaded(tmp_path, settings_text(NAMES, None, QueueOptions(45.5, 5)))

    assert settings.fleet == "cams"
    assert (settings.aws.region, settings.aws.endpoint) == ("eu-central-1", "")
    assert settings.queue.url == "sqs:cams-"
    assert settings.queue_options() == QueueOptions(45.5, 5)
    assert settings.buckets.outputs == "s3://cams-outputs-123456789012-eu-central-1"
    (pool,) = settings.fleet_pools()
    assert (pool.cloud, pool.cap, pool.launch_template) == ("ec2", 19, "cams-worker")
    assert pool.billing.minimum_seconds == 60
    assert len(set(pool.instance_types)) == 5
    assert settings.spec("ec2").environment["BURSTLENS_FLEET"] == "cams"


def test_an_endpoint_is_written_down(tmp_path: Path) -> None:
    assert loaded(tmp_path, settings_text(NAMES, "http://127.0.0.1:5000", QueueOptions())).aws.endpoint == (
        "http://127.0.0.1:5000"
    )


def test_a_network_that_was_given_is_where_the_pool_launches(tmp_path: Path) -> None:
    settings = loaded(tmp_path, settings_text(NAMES, None, QueueOptions(), "subnet-1"))

    assert settings.fleet_pools()[0].zones == ("subnet-1",)
    assert missing_zones(settings, "subnet-1") == ""


def test_an_older_file_lacks_the_line_that_names_the_network(tmp_path: Path) -> None:
    settings = loaded(tmp_path, settings_text(NAMES, None, QueueOptions()))

    assert missing_zones(settings, "") == ""
    assert missing_zones(settings, "subnet-1").startswith('zones = ["subnet-1"] is missing in the pool ec2: ')


def test_a_private_clouds_role_is_written_down_and_missed_in_an_older_file(tmp_path: Path) -> None:
    role = "arn:aws:iam::123456789012:role/cams-private-worker"
    older = loaded(tmp_path, settings_text(NAMES, None, QueueOptions()))
    settings = loaded(tmp_path, settings_text(NAMES, None, QueueOptions(), worker_role=role))

    assert (older.aws.worker_role, settings.aws.worker_role) == ("", role)
    assert missing_role(older, role).startswith(f'worker_role = "{role}" is missing in [aws]: ')
    assert missing_role(older, "") == missing_role(settings, role) == ""


def test_a_folder_that_takes_no_file_is_told(tmp_path: Path) -> None:
    check_writable(tmp_path / "burstlens.toml")
    with pytest.raises(Misconfigured, match=r"nowhere: it is not there$"):
        check_writable(tmp_path / "nowhere" / "burstlens.toml")
    with pytest.raises(Misconfigured, match=r"/dev/null: it is not there$"):
        check_writable(Path("/dev/null/burstlens.toml"))


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)

    with pytest.raises(Misconfigured, match=r"No space left on device.*run this again"):
        write_settings(tmp_path / "burstlens.toml", "a = 1\n")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_written_once_and_an_edited_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "burstlens.toml"

    assert write_settings(path, "a = 1\n") == f"{path} is written"
    assert write_settings(path, "a = 1\n") == f"{path} is as it should be"
    path.write_text("a = 2\n")
    assert "is kept as it is" in write_settings(path, "a = 1\n")
    assert path.read_text() == "a = 2\n"
    assert list(tmp_path.iterdir()) == [path]


def test_settings_of_this_deployment_may_differ_in_what_an_operator_tunes(tmp_path: Path) -> None:
    text = settings_text(NAMES, None, QueueOptions())
    assert difference(loaded(tmp_path, text.replace("cap = 19", "cap = 3")), NAMES) == ""


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ('fleet = "cams"', 'fleet = "others"'),
        ('region = "eu-central-1"', 'region = "us-east-1"'),
        ('url = "sqs:cams-"', 'url = "sqlite:queues"'),
        ('url = "sqs:cams-"', 'url = "sqs:cams-"\nname = "jobs"'),
        ('url = "sqs:cams-"', 'url = "sqs:cams-"\nresponse_name = "answers"'),
        ("s3://cams-fleet-123456789012", "s3://cams-fleet-999999999999"),
    ],
)
def test_settings_of_another_deployment_are_recognised(tmp_path: Path, line: str, other: str) -> None:
    text = settings_text(NAMES, None, QueueOptions())
    assert line in text
    assert " there, and " in difference(loaded(tmp_path, text.replace(line, other)), NAMES)


def host_environment(user_data: str) -> dict[str, str]:
    """What cloud-init writes into the environment file."""
    config = json.loads(user_data.partition("\n")[2])
    (text,) = [file["content"] for file in config["write_files"] if file["path"] == ENVIRONMENT_FILE]
    assert config["runcmd"][-1][-2:] == ["burstlens-web.service", "burstlens-autoscaler.service"]
    return dict(line.replace("='", "\n", 1).removesuffix("'").split("\n", 1) for line in text.splitlines())


def test_the_web_host_has_the_settings_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = settings_text(NAMES, None, QueueOptions()).replace("cap = 19", "cap = 3")
    settings = loaded(tmp_path, text + "\n[worker]\nprefetch = 4\n")

    user_data = web_user_data(settings, 8080)

    assert len(user_data.encode()) < LONGEST_VALUE
    for name, value in host_environment(user_data).items():
        monkeypatch.setenv(name, value)
    host = load_settings()
    assert (host.web.host, host.web.port) == ("0.0.0.0", 8080)  # noqa: S104 - its security group says who reaches it
    for section in ("fleet", "aws", "queue", "buckets", "model", "worker", "scaling", "pools"):
        assert getattr(host, section) == getattr(settings, section)


def test_settings_that_cloudformation_cannot_carry_are_refused() -> None:
    settings = Settings(**tomllib.loads(settings_text(NAMES, None, QueueOptions())))
    pools = [settings.pools[0].model_copy(update={"name": f"pool-{number}"}) for number in range(40)]
    with pytest.raises(Misconfigured, match="CloudFormation takes 4,096"):
        web_user_data(settings.model_copy(update={"pools": tuple(pools)}), 80)

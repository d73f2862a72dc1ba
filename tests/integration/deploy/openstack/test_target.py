"""The settings file that `up` completes."""

from pathlib import Path

import pytest

from burstlens.deploy.aws.config import settings_text
from burstlens.deploy.aws.names import Names as AwsNames
from burstlens.deploy.openstack.target import Target
from burstlens.deploy.openstack.wish import Choice, Wish
from burstlens.errors import Misconfigured
from burstlens.queues.base import QueueOptions
from burstlens.settings import load_settings

CHOICE = Wish(image="burstlens", flavor="m1.small").chosen({})
ROLE = "arn:aws:iam::123456789012:role/shop-private-worker"


def settings_of_aws(path: Path, role: str = ROLE) -> None:
    names = AwsNames("shop", "123456789012", "eu-central-1")
    path.write_text(settings_text(names, None, QueueOptions(), worker_role=role))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "burstlens.toml"


def target(path: Path, cloud: str | None = "ours", fleet: str | None = None) -> Target:
    return Target(path, fleet, cloud, print)


def write(path: Path, choice: Choice = CHOICE) -> list[str]:
    return target(path).write(choice, "m1.large")


def test_a_file_of_aws_is_added_to_once_and_keeps_every_word(path: Path) -> None:
    settings_of_aws(path)
    before = path.read_text()

    assert write(path) == [f"{path} is added to"]
    assert write(path) == [f"{path} is as it should be"]
    assert path.read_text().startswith(before)
    settings = load_settings(path)
    assert {pool.cloud: pool.instance_types for pool in settings.fleet_pools()}["openstack"] == ("m1.large",)
    assert settings.openstack.network == "shop"


def test_a_new_file_is_that_of_a_cloud_whose_workers_are_with_the_web_tier(path: Path) -> None:
    done = write(path)

    assert done[0] == f"{path} is written"
    assert "workers are processes of the web tier's server, since queue.url is sqlite:" in done[1]
    assert load_settings(path).fleet_pools()[0].cloud == "local"
    need = target(path).order(Wish(), None, "debian", None).need
    assert (need.cloud, need.keys) == ("", None)


def test_a_deployment_on_aws_needs_both_kinds_of_credentials(path: Path) -> None:
    settings_of_aws(path)

    need = target(path).order(Wish(), None, "debian", None).need

    assert need.cloud == "ours"
    assert need.keys is not None
    assert need.keys.user == "shop-private-web"


def test_a_role_that_is_missing_is_told(path: Path) -> None:
    settings_of_aws(path, role="")

    assert write(path)[1].startswith(f"{path}: aws.worker_role is missing: `burstlens deploy aws up --private-cloud`")


def test_a_file_of_another_deployment_stops_up(path: Path) -> None:
    settings_of_aws(path)
    with pytest.raises(Misconfigured, match=r"another deployment's .fleet is 'shop' there, and 'mine' here"):
        target(path, fleet="mine").order(Wish(), None, "debian", None)


def test_a_folder_that_takes_no_file_stops_up(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="it is not there"):
        target(tmp_path / "nowhere" / "burstlens.toml").order(Wish(), None, "debian", None)


def test_pools_in_one_line_are_left_to_the_operator(path: Path) -> None:
    settings_of_aws(path)
    text, _, pool = path.read_text().partition("[[pools]]\n")
    path.write_text(f'pools = [{{name = "ec2", cloud = "ec2", cap = 1, launch_template = "a"}}]\n{text}')

    assert pool
    with pytest.raises(Misconfigured, match=r"add this yourself:\n.openstack."):
        write(path)


def test_a_cloud_has_to_be_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OS_CLOUD", raising=False)
    with pytest.raises(Misconfigured, match=r"--cloud, openstack\.cloud or OS_CLOUD"):
        target(path, cloud=None)
    monkeypatch.setenv("OS_CLOUD", "named")
    assert target(path, cloud=None).project.options.cloud == "named"

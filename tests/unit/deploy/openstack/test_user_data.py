"""What the web host is told, and what it is not."""

import json
import shlex
import tomllib

import pytest

from burstlens.clouds.user_data import ENVIRONMENT_FILE, HEADER
from burstlens.deploy.openstack.names import Names
from burstlens.deploy.openstack.user_data import web_user_data
from burstlens.settings.load import load_settings

NAMES = Names("shop")
IDS = {"shop": "1-network", "shop-worker": "2-group"}
TEXT = """\
# Whose this is.
fleet = "shop"

[openstack]
cloud = "ours"
network = "shop"
security_groups = ["shop-worker", "theirs"]
"""


def files(text: str) -> dict[str, str]:
    config = json.loads(text.removeprefix(HEADER))
    assert config["runcmd"] == [
        ["systemctl", "enable", "--now", "--no-block", "burstlens-web.service", "burstlens-autoscaler.service"]
    ]
    return {file["path"]: file["content"] for file in config["write_files"]}


def environment(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(files(text)[ENVIRONMENT_FILE]))


def told(text: str = TEXT, cloud: str = "ours", needs: tuple[str, ...] = ("clouds.yaml", "credentials")) -> str:
    return web_user_data(text, NAMES, 8080, cloud, IDS, needs)


def test_the_host_reads_the_settings_as_they_are_where_it_is(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path_factory.mktemp("host") / "burstlens.toml"
    path.write_text(files(told())["/etc/burstlens/burstlens.toml"])
    for name, value in environment(told()).items():
        monkeypatch.setenv(name, value)
    settings = load_settings(path)

    assert settings.fleet == "shop"
    assert (settings.web.host, settings.web.port) == ("0.0.0.0", 8080)  # noqa: S104
    assert str(settings.data) == "/var/lib/burstlens"
    assert settings.openstack.cloud == "ours"
    assert settings.openstack.network == "1-network"
    assert settings.openstack.security_groups == ("2-group", "theirs")
    assert environment(told())["OS_CLIENT_CONFIG_FILE"] == "/etc/burstlens/clouds.yaml"


def test_the_units_wait_for_all_credentials_that_are_needed_and_for_no_others() -> None:
    for unit in ("burstlens-web.service", "burstlens-autoscaler.service"):
        path = f"/etc/systemd/system/{unit}.d/credentials.conf"
        assert files(told())[path].splitlines() == [
            "[Unit]",
            "ConditionPathExists=/etc/burstlens/clouds.yaml",
            "ConditionPathExists=/etc/burstlens/credentials",
        ]
        assert files(told(needs=("credentials",)))[path].count("Condition") == 1
        assert path not in files(told(needs=()))


def test_a_host_without_workers_on_openstack_is_told_nothing_of_a_cloud() -> None:
    assert not [name for name in environment(told(cloud="")) if "OPENSTACK" in name or name.startswith("OS_")]


def test_a_comment_makes_no_other_host_and_a_setting_does() -> None:
    assert told(TEXT.replace("Whose", "Who has")) == told()
    assert told(TEXT + "[scaling]\nmax_instances = 3\n") != told()


def test_what_only_looks_like_a_comment_is_kept() -> None:
    text = 'fleet = "shop"\n[aws]\nregion = """\n# west"""\n'

    assert tomllib.loads(files(told(text))["/etc/burstlens/burstlens.toml"]) == tomllib.loads(text)

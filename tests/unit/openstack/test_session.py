"""Which cloud is asked."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

import burstlens
from burstlens.errors import Misconfigured
from burstlens.openstack.options import OpenStackOptions
from burstlens.openstack.session import OpenStackSession, open_connection
from support.openstack_cloud import SDK_WARNINGS

pytestmark = SDK_WARNINGS

AUTH = {"auth_url": "http://127.0.0.1:1/v3", "application_credential_id": "i", "application_credential_secret": "s"}
ENTRY = {"auth_type": "v3applicationcredential", "auth": AUTH}


@pytest.fixture
def clouds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "clouds.yaml"
    path.write_text(json.dumps({"clouds": {"mine": ENTRY, "bad": {"auth_type": "nonsense"}, "bare": {}}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    monkeypatch.delenv("OS_CLOUD", raising=False)
    return path


def write(clouds: Path, entry: Mapping[str, object]) -> None:
    clouds.write_text(json.dumps({"clouds": {"mine": entry}}))


@pytest.mark.usefixtures("clouds")
def test_the_client_says_who_it_is_and_does_not_wait_for_ever() -> None:
    with open_connection(OpenStackOptions(cloud="mine", request_seconds=7)) as connection:
        assert (connection.session.app_name, connection.session.app_version) == ("burstlens", burstlens.__version__)
        assert connection.session.timeout == 7


@pytest.mark.usefixtures("clouds")
def test_the_environment_may_name_the_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLOUD", "mine")

    with open_connection(OpenStackOptions()) as connection:
        assert connection.name == "mine"


@pytest.mark.parametrize(("name", "says"), [("", "set openstack.cloud, or OS_CLOUD"), ("yours", "no cloud 'yours'")])
def test_a_cloud_that_is_not_there_is_told_with_the_file(clouds: Path, name: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says) as caught:
        open_connection(OpenStackOptions(cloud=name))

    assert str(clouds) in str(caught.value)


def test_a_file_that_is_not_there_is_told_with_where_it_may_be(clouds: Path) -> None:
    clouds.unlink()

    with pytest.raises(Misconfigured, match=r"/etc/openstack/clouds\.yaml") as caught:
        open_connection(OpenStackOptions(cloud="mine"))

    assert str(clouds) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        '{"cloud": {}}',
        '{"clouds": ["mine"]}',
        '{"clouds": {"mine": null}}',
        '{"clouds": {"mine": {"auth": "x"}}}',
    ],
)
def test_a_file_that_cannot_be_read_is_told(clouds: Path, text: str) -> None:
    clouds.write_text(text)

    with pytest.raises(Misconfigured, match=r"clouds\.yaml"):
        open_connection(OpenStackOptions(cloud="mine"))


@pytest.mark.usefixtures("clouds")
@pytest.mark.parametrize("name", ["bad", "bare"])
def test_an_entry_that_cannot_work_is_told(name: str) -> None:
    with pytest.raises(Misconfigured, match=r"clouds\.yaml"):
        open_connection(OpenStackOptions(cloud=name))


@pytest.mark.anyio
@pytest.mark.parametrize("files", [{"cacert": "/nowhere/ca.pem"}, {"cert": "/nowhere/c.pem", "key": "/nowhere/k.pem"}])
async def test_a_file_of_certificates_that_is_not_there_is_told(clouds: Path, files: dict[str, str]) -> None:
    """It must not end the tick of a fleet that is on other clouds, too."""
    write(clouds, ENTRY | files | {"auth": AUTH | {"auth_url": "https://127.0.0.1:1/v3"}})
    session = OpenStackSession(OpenStackOptions(cloud="mine"))
    try:
        with pytest.raises(Misconfigured, match=r"/nowhere/.*clouds\.yaml"):
            await session.ask("compute", "GET", "/servers/detail", "servers")
    finally:
        await session.close()


def test_without_the_extra_the_operator_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(Misconfigured, match=r"burstlens\[openstack\]"):
        OpenStackSession(OpenStackOptions())

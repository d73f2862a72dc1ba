"""The metadata client against a metadata service on loopback, and that service against botocore."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.session import get_session
from botocore.utils import IMDSRegionProvider

from burstlens.clock import ManualClock, SystemClock
from burstlens.clouds.ec2.metadata import TRIES, Metadata, own_environment
from burstlens.errors import Misconfigured, Unavailable
from lab.metadata_server import ENDPOINT_VARIABLE, InstanceMetadata, MetadataServer
from support import file_server

pytestmark = pytest.mark.anyio

TAGS = {"Name": "app-tier-3", "burstlens:pool": "spot", "burstlens:drain": ""}


class Impatient(SystemClock):
    """A clock on which a pause is over at once, after `then` was called."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self.pauses = 0
        self._then = then

    async def sleep(self, seconds: float) -> None:
        del seconds
        self.pauses += 1
        self._then()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MetadataServer]:
    """The metadata of an instance, where the client looks for it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    server = MetadataServer(InstanceMetadata("i-0abc", dict(TAGS)))
    monkeypatch.setenv(ENDPOINT_VARIABLE, server.start())
    yield server
    server.stop()


def tokens(server: MetadataServer) -> int:
    return server.asked.count("200 PUT /latest/api/token")


async def test_a_value_is_there_or_not_and_may_be_empty(server: MetadataServer) -> None:
    metadata = Metadata(SystemClock())

    assert await metadata.get("meta-data/instance-id") == "i-0abc"
    assert await metadata.get("meta-data/tags/instance/burstlens:drain") == ""
    assert await metadata.get("meta-data/spot/instance-action") is None
    server.metadata.spot_action = {"action": "terminate"}
    assert await metadata.get("meta-data/spot/instance-action") == '{"action": "terminate"}'
    assert tokens(server) == 1


async def test_a_token_is_renewed_before_its_six_hours_are_over(server: MetadataServer) -> None:
    clock = ManualClock()
    metadata = Metadata(clock)
    await metadata.get("meta-data/instance-id")

    await clock.advance(5.5 * 3600)
    await metadata.get("meta-data/instance-id")
    assert tokens(server) == 1
    await clock.advance(0.4 * 3600)
    await metadata.get("meta-data/instance-id")
    assert tokens(server) == 2


async def test_a_token_that_is_refused_is_replaced_and_the_question_asked_again(server: MetadataServer) -> None:
    metadata = Metadata(SystemClock())
    await metadata.get("meta-data/instance-id")

    server.forget_tokens()

    assert await metadata.get("meta-data/instance-id") == "i-0abc"
    assert server.asked[-3:] == [
        "401 GET /latest/meta-data/instance-id",
        "200 PUT /latest/api/token",
        "200 GET /latest/meta-data/instance-id",
    ]


async def test_without_a_token_nothing_else_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest/instance-id").write_text("i-0abc")
    with file_server.serving(tmp_path) as first_version:
        monkeypatch.setenv(ENDPOINT_VARIABLE, first_version.url)
        with pytest.raises(Unavailable, match="api/token: status 501"):
            await Metadata(SystemClock()).get("instance-id")

        assert first_version.requests == ["501 PUT /latest/api/token"]


async def test_no_proxy_comes_between(server: MetadataServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with file_server.serving(Path()) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)

        assert await Metadata(SystemClock()).get("meta-data/instance-id") == "i-0abc"

    assert proxy.requests == []
    assert tokens(server) == 1


async def test_a_service_that_is_gone_is_unavailable_and_then_found_again(server: MetadataServer) -> None:
    metadata = Metadata(SystemClock())
    await metadata.get("meta-data/instance-id")

    server.stop()
    with pytest.raises(Unavailable, match="instance-id"):
        await metadata.get("meta-data/instance-id")
    server.start()
    assert await metadata.get("meta-data/instance-id") == "i-0abc"


@pytest.mark.parametrize("endpoint", ["169.254.169.254", "https://127.0.0.1", "http://"])
def test_an_endpoint_that_is_no_url_is_refused(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT_VARIABLE, endpoint)
    with pytest.raises(Misconfigured, match=ENDPOINT_VARIABLE):
        Metadata(SystemClock())


async def test_an_instance_finds_out_who_it_is(server: MetadataServer) -> None:
    clock = SystemClock()
    assert await own_environment(Metadata(clock), clock) == {
        "BURSTLENS_INSTANCE": "app-tier-3",
        "BURSTLENS_INSTANCE_ID": "i-0abc",
        "BURSTLENS_POOL": "spot",
    }
    assert server.metadata.instance_id == "i-0abc"


async def test_an_instance_that_may_not_see_its_tags_goes_by_its_id(server: MetadataServer) -> None:
    server.metadata.tags = {}
    clock = SystemClock()
    assert await own_environment(Metadata(clock), clock) == {
        "BURSTLENS_INSTANCE": "i-0abc",
        "BURSTLENS_INSTANCE_ID": "i-0abc",
        "BURSTLENS_POOL": "",
    }


async def test_an_instance_that_boots_waits_for_its_metadata(server: MetadataServer) -> None:
    server.stop()
    clock = Impatient(then=server.start)

    own = await own_environment(Metadata(clock), clock)

    assert own["BURSTLENS_INSTANCE"] == "app-tier-3"
    assert clock.pauses == 1


async def test_an_instance_whose_metadata_never_answers_says_so(server: MetadataServer) -> None:
    server.stop()
    clock = Impatient()
    with pytest.raises(Unavailable, match=r"BURSTLENS_CLOUD=ec2 says .* does not answer: .*127\.0\.0\.1"):
        await own_environment(Metadata(clock), clock)
    assert clock.pauses == TRIES - 1


async def test_botocore_finds_role_and_region_there(server: MetadataServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nowhere")
    server.metadata.credentials = {"AccessKeyId": "key", "SecretAccessKey": "not secret", "Token": "token"}
    server.metadata.region = "eu-central-1"
    session = get_session()

    credentials = session.get_credentials()

    assert credentials is not None
    assert credentials.get_frozen_credentials()[:3] == ("key", "not secret", "token")
    assert IMDSRegionProvider(session).provide() == "eu-central-1"

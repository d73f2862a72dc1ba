"""`burstlens deploy aws` as an operator types it."""

import json
from collections.abc import Iterator

import pytest

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession
from burstlens.clock import SystemClock
from burstlens.queues.base import QueueOptions
from burstlens.queues.sqs.queues import SqsQueues
from burstlens.settings import load_settings
from support.aws_account import account_at, content, reset
from support.aws_doubles import CREDENTIALS, REGION, Double, Doubles
from support.commands import Home

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("aws_credentials")]

AWS = ("deploy", "aws")


@pytest.fixture(scope="module")
def ministack() -> Iterator[Double]:
    """Of this module alone, since it is emptied."""
    doubles = Doubles()
    yield doubles.ministack
    doubles.stop()


@pytest.fixture
def environment(ministack: Double) -> dict[str, str]:
    """What a command finds: an empty account."""
    reset(ministack.url)
    return {**CREDENTIALS, "AWS_ENDPOINT_URL": ministack.url}


async def test_up_shows_writes_and_is_repeated_without_a_change(home: Home, environment: dict[str, str]) -> None:
    first = await home.run(*AWS, "up", "--yes", **environment)
    path = home.folder / "burstlens.toml"
    written = path.read_bytes()
    second = await home.run(*AWS, "up", "--yes", **environment)

    assert (first.code, first.err, second.code, second.err) == (0, "", 0, "")
    assert "Add     RequestQueue " in first.out
    assert "burstlens.toml is written" in first.out
    assert "burstlens image bake --cloud ec2" in first.out
    assert second.out.splitlines()[:2] == ["nothing to change", "burstlens.toml is as it should be"]
    assert path.read_bytes() == written
    settings = load_settings(path)
    assert settings.aws.endpoint == environment["AWS_ENDPOINT_URL"]
    assert settings.buckets.inputs in {f"s3://{name}" for name in content(account_at(settings.aws.endpoint))["buckets"]}


async def test_up_for_a_private_cloud_writes_its_workers_role_down_or_says_what_a_file_lacks(
    home: Home, environment: dict[str, str]
) -> None:
    path = home.folder / "burstlens.toml"
    first = await home.run(*AWS, "up", "--yes", "--private-cloud", **environment)
    role = account_at(environment["AWS_ENDPOINT_URL"]).names.private_worker_role

    assert (first.code, first.err) == (0, "")
    assert "Add     PrivateWebUser " in first.out
    assert load_settings(path).aws.worker_role == role

    path.write_text(path.read_text().replace(f'worker_role = "{role}"\n', ""))
    second = await home.run(*AWS, "up", "--yes", **environment)
    assert f'burstlens.toml: worker_role = "{role}" is missing in [aws]' in second.out


async def test_without_a_terminal_nothing_is_changed_unless_somebody_has_said_yes(
    home: Home, environment: dict[str, str]
) -> None:
    for command in ("up", "down"):
        done = await home.run(*AWS, command, **environment)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("burstlens: there is no terminal to ask on")
    assert content(account_at(environment["AWS_ENDPOINT_URL"]))["stacks"] == []


async def test_a_file_of_another_deployment_stops_up_before_anything_is_made(
    home: Home, environment: dict[str, str]
) -> None:
    path = home.folder / "burstlens.toml"
    path.write_text('fleet = "theirs"\n')

    done = await home.run(*AWS, "up", "--yes", "--fleet", "ours", **environment)

    assert (done.code, done.out) == (1, "")
    assert "burstlens.toml is another deployment's (fleet is 'theirs' there, and 'ours' here)" in done.err
    assert path.read_text() == 'fleet = "theirs"\n'
    assert content(account_at(environment["AWS_ENDPOINT_URL"]))["stacks"] == []


async def test_a_folder_that_takes_no_file_stops_up_before_anything_is_made(
    home: Home, environment: dict[str, str]
) -> None:
    done = await home.run(*AWS, "up", "--yes", "--config", "nowhere/burstlens.toml", **environment)

    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        "burstlens: nowhere/burstlens.toml is to be written, but not into the folder nowhere: it is not there"
    ]
    assert content(account_at(environment["AWS_ENDPOINT_URL"]))["stacks"] == []


async def test_a_network_that_is_named_is_where_workers_and_builders_are_launched(
    home: Home, environment: dict[str, str]
) -> None:
    account = account_at(environment["AWS_ENDPOINT_URL"])
    subnet = account.ask("ec2", "describe_subnets")["Subnets"][0]["SubnetId"]
    path = home.folder / "burstlens.toml"

    first = await home.run(*AWS, "up", "--yes", "--subnet", subnet, **environment)
    settings = load_settings(path)
    path.write_text(path.read_text().replace(f'zones = ["{subnet}"]\n', ""))
    second = await home.run(*AWS, "up", "--yes", **environment)

    assert (first.code, second.code) == (0, 0), (first.err, second.err)
    assert settings.fleet_pools()[0].zones == (subnet,)
    assert f'burstlens.toml: zones = ["{subnet}"] is missing in the pool ec2' in second.out


async def test_status_and_down_tell_what_there_is_and_what_is_left(home: Home, environment: dict[str, str]) -> None:
    await home.run(*AWS, "up", "--yes", **environment)

    status = await home.run(*AWS, "status", "--json", **environment)
    plain = await home.run(*AWS, "status", **environment)
    down = await home.run(*AWS, "down", "--yes", "--keep-data", **environment)
    again = await home.run(*AWS, "down", "--yes", **environment)

    found = json.loads(status.out)
    assert found["stack"]["status"] == "CREATE_COMPLETE"
    assert found["queues"]["burstlens-requests"] == {"visible": 0, "in_flight": 0, "delayed": 0}
    assert set(found["buckets"]) == {"inputs", "outputs", "fleet"}
    assert "CREATE_COMPLETE" in plain.out
    kept = [line for line in down.out.splitlines() if line.startswith("  keep ")]
    assert len(kept) == 3
    assert down.out.splitlines()[-4] == f"left of the fleet burstlens in {REGION}:"
    assert (again.code, again.out.splitlines()[-1]) == (0, f"nothing is left of the fleet burstlens in {REGION}")
    assert (home.folder / "burstlens.toml").exists()


async def test_the_queues_of_the_stack_are_those_that_a_tier_would_make(
    home: Home, environment: dict[str, str]
) -> None:
    url = environment["AWS_ENDPOINT_URL"]
    await home.run(*AWS, "up", "--yes", "--fleet", "stack", **environment)
    before = content(account_at(url, "stack"))["queues"]
    session = AwsSession(AwsOptions(endpoint=url, region=REGION))
    for fleet in ("stack", "tier"):
        queues = SqsQueues(session, SystemClock(), f"{fleet}-", "")
        await queues.create("requests", QueueOptions())
        await queues.close()

    after = content(account_at(url, "stack"))["queues"]

    assert {name: after[name] for name in before} == before
    for queue in ("requests", "requests-dead"):
        assert plain(after[f"stack-{queue}"], "stack") == plain(after[f"tier-{queue}"], "tier")


def plain(attributes: dict[str, str], fleet: str) -> dict[str, str]:
    """Attributes without the name and the policy, and with numbers spelt in one way."""
    spelt = {name: value.replace(f"{fleet}-", "") for name, value in attributes.items() if name != "Policy"}
    if "RedrivePolicy" in spelt:
        spelt |= {name: str(value) for name, value in json.loads(spelt.pop("RedrivePolicy")).items()}
    return spelt

"""The whole system on AWS: queues on SQS, buckets on S3, workers on EC2, with the real commands in the lab."""

import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from burstlens.clouds.ec2.tags import as_mapping
from burstlens.clouds.user_data import worker_user_data
from burstlens.messages import Result
from burstlens.settings import load_settings
from lab.aws import CONFIG, AwsLab, aws_lab
from support.aws_lab import Account, Watch, processes, remains, rule, start, storming
from support.bursts import IMAGES, REQUESTS, Burst
from support.commands import Home
from support.eventually import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(200)]

CAP = 19


@pytest.fixture
async def lab(tmp_path: Path, cache: Path, aws_credentials: None) -> AsyncIterator[AwsLab]:
    """A lab, of which nothing is left."""
    before = remains(tmp_path)
    async with aws_lab(tmp_path / "lab", cache) as lab:
        yield lab
    assert remains(tmp_path) == before


@pytest.fixture
def account(lab: AwsLab) -> Account:
    return Account(lab)


async def replies(url: str) -> dict[str, float]:
    """How many replies a web tier has received, by what became of them."""
    async with aiohttp.ClientSession(url) as session, session.get("/metrics") as answer:
        samples = re.findall(r'burstlens_web_replies_total\{outcome="(\w+)"\} (.+)', await answer.text())
    return {outcome: float(count) for outcome, count in samples}


def name_of(instance: Mapping[str, Any]) -> str:
    return as_mapping(instance["Tags"])["Name"]


async def nothing_is_left(account: Account, watch: Watch) -> bool:
    """No instance, no response queue, no request, no dead letter, no term but the last; never too many machines."""
    queues = await account.queues()
    assert max(watch.counts) <= CAP
    assert all(instance["State"]["Name"] == "terminated" for instance in (await account.instances()).values())
    assert not [name for name in queues if "responses" in name]
    assert queues["lab-requests"] == 0
    assert set(queues.values()) == {0}
    folders = Counter(key.partition("/")[0] for key in await account.objects("fleet"))
    assert folders.keys() <= {"autoscaler", "autoscaler.json", "decisions", "heartbeats", "results"}
    assert folders["autoscaler"] == 1
    return True


async def test_a_machine_runs_its_service_again_and_dies_with_its_instance(
    lab: AwsLab, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BURSTLENS_AWS__ENDPOINT", lab.endpoint)
    user_data = worker_user_data(load_settings(CONFIG).spec("ec2").environment)
    launched = await account.call(
        "ec2",
        "run_instances",
        LaunchTemplate={"LaunchTemplateName": "lab-worker", "Version": "$Latest"},
        UserData=user_data,
        MinCount=1,
        MaxCount=1,
    )
    instance_id = launched["Instances"][0]["InstanceId"]
    first = await account.beats(without=set())
    assert processes(tmp_path / "lab" / instance_id) == first
    os.kill(min(first), signal.SIGKILL)
    second = await account.beats(without=first)
    assert processes(tmp_path / "lab" / instance_id) == second
    await account.call("ec2", "terminate_instances", InstanceIds=[instance_id])

    async def dead() -> bool:
        return not processes(tmp_path / "lab")

    await eventually(dead)


@pytest.mark.parametrize("layout", ["id", "filename"])
async def test_a_hundred_requests_from_zero_instances_to_zero(
    lab: AwsLab, account: Account, home: Home, layout: str
) -> None:
    up = await start(home, lab.endpoint, "up", BURSTLENS_BUCKETS__LAYOUT=layout)
    async with account.watch() as watch:
        assert watch.counts == [0]

        assert await Burst(await up.url()).all_right()
        await watch.none_left()
        assert (await up.end(signal.SIGTERM)).code == 0

        assert max(watch.counts) == CAP
        assert await nothing_is_left(account, watch)
    inputs, outputs = await account.objects("inputs"), await account.objects("outputs")
    if layout == "filename":
        assert inputs == {image.name: image.data for image in IMAGES}
        assert outputs == {image.stem: f"({image.stem}, {image.expected})".encode() for image in IMAGES}
    else:
        labels = {key.removesuffix(".json"): Result.parse(body).label for key, body in outputs.items()}
        assert len(inputs) == len(labels) == REQUESTS
        by_image = Counter((inputs[request_id], label) for request_id, label in labels.items())
        assert by_image == Counter((image.data, image.expected) for image in IMAGES)


async def test_two_web_replicas_each_get_their_own_answers(lab: AwsLab, account: Account, home: Home) -> None:
    only_by_reply = "1000"  # and never by a look into the output bucket
    webs = [
        await start(
            home, lab.endpoint, "web", BURSTLENS_WEB__REPLICA=name, BURSTLENS_WEB__RECHECK_SECONDS=only_by_reply
        )
        for name in "ab"
    ]
    urls = [await web.url() for web in webs]
    autoscale = await start(home, lab.endpoint, "autoscale")
    async with account.watch() as watch:
        bursts = [Burst(url, images) for url, images in zip(urls, (IMAGES[:50], IMAGES[50:]), strict=True)]
        await bursts[0].is_answered(1)
        own = {re.sub("-[0-9a-f]{8}(-dead)?$", "", name) for name in await account.queues()}
        assert {"lab-responses-a", "lab-responses-b"} <= own
        assert [await each.all_right() for each in bursts] == [True, True]
        for url in urls:
            assert (await replies(url))["delivered"] == 50
        await watch.none_left()
        for running in (*webs, autoscale):
            assert (await running.end(signal.SIGTERM)).code == 0
        assert await nothing_is_left(account, watch)


STORM: tuple[Mapping[str, object], ...] = (
    # Each is asked before those below it. 500 is the status that EC2 gives a lack of machines; botocore asks again.
    rule("InsufficientInstanceCapacity", 500, operation="RunInstances", probability=0.6, times=12),
    rule("VcpuLimitExceeded", 400, operation="RunInstances", probability=0.2, times=4),
    rule("RequestLimitExceeded", 503, probability=0.3),
)


async def test_r12_an_error_storm_of_ec2_delays_a_burst_and_loses_nothing(
    lab: AwsLab, account: Account, home: Home
) -> None:
    async with storming(lab.endpoint, STORM, seed=4) as storm, account.watch() as watch:
        up = await start(home, storm.url, "up")
        assert await Burst(await up.url()).all_right()
        await watch.none_left()
        assert (await up.end(signal.SIGTERM)).code == 0
        fired = await storm.fired()
        assert fired.keys() == {
            "error:InsufficientInstanceCapacity",
            "error:VcpuLimitExceeded",
            "error:RequestLimitExceeded",
        }
        assert await nothing_is_left(account, watch)


async def test_r14_a_spot_instance_that_is_taken_back_in_a_burst_loses_nothing(
    lab: AwsLab, account: Account, home: Home, tmp_path: Path
) -> None:
    up = await start(home, lab.endpoint, "up")
    async with account.watch() as watch:
        burst = Burst(await up.url())

        def spots() -> dict[str, str]:
            """The spot instances' ids by their names."""
            return {name_of(i): i["InstanceId"] for i in watch.instances.values() if "InstanceLifecycle" in i}

        name = await burst.is_answered_by(lambda: set(spots()))
        instance_id = spots()[name]
        await lab.hypervisor.reclaim(instance_id, notice_seconds=5)
        assert await burst.all_right()
        assert "spot notice" in (tmp_path / "lab" / instance_id / "burstlens-worker.service.log").read_text()
        # What the lost machine had answered and not deleted comes again when its lease ends.
        await account.no_request_is_left()
        # Without waiting for the fleet to shrink: the system ends its instances when it ends.
        assert (await up.end(signal.SIGTERM)).code == 0
        assert await nothing_is_left(account, watch)


async def test_r20_an_autoscaler_that_is_killed_in_a_burst_and_started_again_loses_nothing(
    lab: AwsLab, account: Account, home: Home
) -> None:
    web = await start(home, lab.endpoint, "web")
    autoscale = await start(home, lab.endpoint, "autoscale")
    async with account.watch() as watch:
        burst = Burst(await web.url())
        await watch.peak(at_least=1)  # so that it dies while it launches the others
        assert (await autoscale.end(signal.SIGKILL)).code == -signal.SIGKILL
        assert burst.is_under_way
        again = await start(home, lab.endpoint, "autoscale")
        assert await burst.all_right()
        await watch.none_left()
        for running in (web, again):
            assert (await running.end(signal.SIGTERM)).code == 0
        assert await nothing_is_left(account, watch)

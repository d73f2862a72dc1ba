"""Both clouds as one fleet: a real OpenStack with room for four instances, and AWS for what does not fit there."""

import signal
from collections.abc import AsyncIterator, Sequence
from itertools import dropwhile, pairwise
from pathlib import Path

import pytest

from support.aws_lab import remains, rule, storming
from support.bursts import Burst
from support.commands import Home
from support.hybrid_lab import HybridLab, HybridWatch, Look, hybrid_lab
from support.openstack_cloud import SDK_WARNINGS
from support.openstack_lab import Project

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(200),
    SDK_WARNINGS,
]

CAP = 19
QUOTA = 4
EC2_IS_DOWN = [rule("InternalError", 500)]


@pytest.fixture
async def lab(
    openstack_project: Project, tmp_path: Path, cache: Path, aws_credentials: None
) -> AsyncIterator[HybridLab]:
    """Both clouds, of which nothing is left."""
    openstack_project.quota(instances=QUOTA)
    before = remains(tmp_path)
    async with hybrid_lab(openstack_project, tmp_path / "lab", cache) as lab:
        yield lab
    assert remains(tmp_path) == before


def ec2_comes_after_the_private_cloud(looks: Sequence[Look]) -> bool:
    """Whenever an instance of EC2 is new, all the places on OpenStack are taken."""
    news = [after for before, after in pairwise(looks) if after.ec2.keys() - before.ec2.keys()]
    assert news
    assert [look for look in news if len(look.openstack) < QUOTA] == []
    return True


def ec2_goes_first(looks: Sequence[Look]) -> bool:
    """Once OpenStack's are all up: as soon as one of them goes, all of EC2 are going."""
    full = dropwhile(lambda look: look.up("openstack") < QUOTA, looks)
    shrinking = [after for before, after in pairwise(full) if before.up("openstack") < QUOTA]
    assert shrinking
    assert [look for look in shrinking if look.up("ec2")] == []
    return True


async def nothing_is_left(lab: HybridLab, watch: HybridWatch) -> bool:
    """No instance, no response queue, no request, no lease, no dead letter; and there were never too many machines."""
    queues = await lab.account.queues()
    assert max(look.total for look in watch.looks) <= CAP
    assert (await lab.look()).total == 0
    assert not [name for name in queues if "responses" in name]
    assert set(queues.values()) == {0}
    return True


async def test_bursts_fill_the_private_cloud_first_and_ec2_with_the_rest_and_the_fleet_leaves_in_reverse(
    lab: HybridLab, home: Home
) -> None:
    up = await lab.start(home, "up")
    url = await up.url()
    async with lab.watch() as watch:
        for _ in range(2):
            begin = len(watch.looks)
            assert await Burst(url).all_right()
            await watch.none_left()
            looks = watch.looks[begin:]
            assert max(look.total for look in looks) == CAP
            assert watch.names("openstack") == {f"app-tier-{number}" for number in range(1, QUOTA + 1)}
            assert ec2_comes_after_the_private_cloud(looks)
            assert ec2_goes_first(looks)
        assert (await up.end(signal.SIGTERM)).code == 0
        assert await nothing_is_left(lab, watch)


async def test_a_burst_is_answered_by_ec2_while_nova_takes_questions_and_answers_none(
    lab: HybridLab, home: Home
) -> None:
    up = await lab.start(home, "up", BURSTLENS_OPENSTACK__REQUEST_SECONDS="3")
    url = await up.url()
    await up.logged("decision")  # so it has seen both clouds
    async with lab.watch() as watch:
        await lab.nova.hang()
        burst = Burst(url)
        assert await burst.all_right()
        assert burst.instances <= watch.names("ec2")
        await lab.nova.mend()
        await watch.none_left()
        assert (await up.end(signal.SIGTERM)).code == 0
        assert await nothing_is_left(lab, watch)


async def test_a_burst_in_which_nova_goes_down_is_answered_by_what_runs_there_and_ec2(
    lab: HybridLab, home: Home
) -> None:
    up = await lab.start(home, "up")
    url = await up.url()
    async with lab.watch() as watch:
        burst = Burst(url)
        await watch.until(lambda look: bool(look.openstack))
        await lab.nova.refuse()
        assert await burst.all_right()
        assert burst.instances & watch.names("ec2")
        await lab.nova.mend()
        await watch.none_left()
        assert (await up.end(signal.SIGTERM)).code == 0
        assert await nothing_is_left(lab, watch)


async def test_a_burst_is_answered_by_openstack_while_ec2_is_down(lab: HybridLab, home: Home) -> None:
    async with storming(lab.aws.endpoint, [], seed=5) as storm, lab.watch() as watch:
        up = await lab.start(home, "up", BURSTLENS_AWS__ENDPOINT=storm.url)
        url = await up.url()
        await up.logged("decision")  # so it has seen both clouds
        await storm.follow(EC2_IS_DOWN)
        burst = Burst(url)
        assert await burst.all_right()
        assert burst.instances <= watch.names("openstack")
        assert watch.names("ec2") == set()
        await storm.follow([])
        await watch.none_left()
        assert (await up.end(signal.SIGTERM)).code == 0
        assert await nothing_is_left(lab, watch)


async def test_r20_an_autoscaler_that_is_killed_in_a_burst_and_started_again_keeps_the_instances_of_both_clouds(
    lab: HybridLab, home: Home
) -> None:
    web = await lab.start(home, "web")
    autoscale = await lab.start(home, "autoscale")
    async with lab.watch() as watch:
        burst = Burst(await web.url())
        there = await watch.until(lambda look: bool(look.ec2) and bool(look.openstack))
        assert (await autoscale.end(signal.SIGKILL)).code == -signal.SIGKILL
        killed = len(watch.looks)
        assert burst.is_under_way
        again = await lab.start(home, "autoscale")
        assert await burst.all_right()
        for look in watch.looks[killed:]:
            assert there.working <= look.working
        await watch.none_left()
        for running in (web, again):
            assert (await running.end(signal.SIGTERM)).code == 0
        assert await nothing_is_left(lab, watch)

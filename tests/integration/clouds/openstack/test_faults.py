"""What comes of an OpenStack that is slow, half dead, in a bad mood, or not itself."""

import time
from dataclasses import replace

import pytest

from burstlens.clouds.base import Instance, Pool, Spec, State
from burstlens.clouds.openstack.cloud import OpenStackCloud
from burstlens.errors import (
    BurstlensError,
    CapacityUnavailable,
    Misconfigured,
    NotAuthorized,
    QuotaExceeded,
    Throttled,
    Unavailable,
)
from support.openstack_cloud import SDK_WARNINGS
from support.openstack_stub import Fault, OpenStackStub, body, drip, half, hang, page, refusal, reset

pytestmark = [pytest.mark.anyio, SDK_WARNINGS]

FLEET = "fleet-a"
POOL = Pool(name="private", cloud="openstack", cap=10, instance_types=("lab.tiny",), image="tiny")
LIST, CREATE, TOKEN = ("GET", "/servers/detail"), ("POST", "/servers"), ("POST", "/auth/tokens")

ODD = body(dict.fromkeys(("servers", "token", "flavors", "images", "networks", "limits")))


async def launch(cloud: OpenStackCloud, *names: str, pool: Pool = POOL, call: str = "call-1") -> list[Instance]:
    return await cloud.launch(pool, names, Spec({}), fleet=FLEET, token=call)


def made(stub: OpenStackStub) -> int:
    return sum(method == "POST" and path.endswith("/servers") for method, path in stub.asked)


@pytest.mark.parametrize("where", [LIST, TOKEN], ids=["nova", "keystone"])
@pytest.mark.parametrize(
    "fault",
    [hang, reset, half, page(502), page(200), refusal(500), body({}), body([]), body({"servers": None, "token": 1})],
)
async def test_r7_what_cannot_be_understood_is_unavailable_and_soon(
    cloud: OpenStackCloud, stub: OpenStackStub, where: tuple[str, str], fault: Fault
) -> None:
    stub.add("app-tier-1")
    stub.fails(*where, fault)
    begun = time.monotonic()

    with pytest.raises(Unavailable):
        await cloud.instances(FLEET)

    # One answer is waited for, not one after the other.
    assert time.monotonic() - begun < 10
    assert [i.name for i in await cloud.instances(FLEET)] == ["app-tier-1"]


async def test_an_answer_that_never_ends_is_not_waited_for(cloud: OpenStackCloud, stub: OpenStackStub) -> None:
    stub.fails(*LIST, drip)

    with pytest.raises(Unavailable, match="no answer within 2 s"):
        await cloud.instances(FLEET)


@pytest.mark.parametrize(
    "entry",
    [{}, 7, {"id": "1"}, {"id": "1", "name": "n", "status": "ACTIVE", "created": "some day"}, "nonsense", None],
)
async def test_r7_one_server_that_cannot_be_read_makes_the_list_unknown(
    cloud: OpenStackCloud, stub: OpenStackStub, entry: object
) -> None:
    stub.fails(*LIST, body({"servers": [entry]}))

    with pytest.raises(Unavailable):
        await cloud.instances(FLEET)


async def test_r7_a_page_that_fails_makes_the_list_unknown(cloud: OpenStackCloud, stub: OpenStackStub) -> None:
    for number in range(3):
        stub.add(f"app-tier-{number}")
    stub.fails(*LIST, stub.properly, refusal(400, "marker [1] not found"))

    with pytest.raises(Unavailable):
        await cloud.instances(FLEET)


async def test_all_pages_are_read_also_where_nova_allows_less_than_is_asked_for(
    cloud: OpenStackCloud, stub: OpenStackStub
) -> None:
    stub.max_limit = 1
    for number in range(3):
        stub.add(f"app-tier-{number}")

    assert len(await cloud.instances(FLEET)) == 3


async def test_r7_a_page_that_repeats_itself_makes_the_list_unknown(cloud: OpenStackCloud, stub: OpenStackStub) -> None:
    key = stub.add("app-tier-1")
    same = body({"servers": [stub.servers[key]], "servers_links": [{"rel": "next", "href": ""}]})
    stub.fails(*LIST, same, same)

    with pytest.raises(Unavailable, match="same again"):
        await cloud.instances(FLEET)


async def test_r7_what_nova_leaves_out_of_its_list_still_counts(cloud: OpenStackCloud, stub: OpenStackStub) -> None:
    (born,) = await launch(cloud, "app-tier-1")
    stub.fails(*LIST, body({"servers": []}))

    assert [i.id for i in await cloud.instances(FLEET)] == [born.id]


async def test_r7_what_nova_leaves_out_and_does_not_tell_of_makes_the_list_unknown(
    cloud: OpenStackCloud, stub: OpenStackStub
) -> None:
    (born,) = await launch(cloud, "app-tier-1")
    stub.fails(*LIST, body({"servers": []}))
    stub.fails("GET", born.id, refusal(500, "Cell 1 is not responding"))

    with pytest.raises(Unavailable, match="Cell 1"):
        await cloud.instances(FLEET)


@pytest.mark.parametrize("path", ["/flavors/detail", "/images", "/networks", "/limits"])
@pytest.mark.parametrize("fault", [reset, page(200), refusal(404), body([]), ODD])
async def test_what_a_launch_looks_up_may_fail_in_every_way_too(
    cloud: OpenStackCloud, stub: OpenStackStub, path: str, fault: Fault
) -> None:
    stub.fails("GET", path, fault)

    with pytest.raises(Unavailable):
        await launch(cloud, "app-tier-1")

    assert made(stub) == 0


@pytest.mark.parametrize("status", [413, 429])
async def test_r12_throttling_says_how_long_to_wait(cloud: OpenStackCloud, stub: OpenStackStub, status: int) -> None:
    stub.fails(*LIST, refusal(status, headers={"Retry-After": "17"}))

    with pytest.raises(Throttled) as caught:
        await cloud.instances(FLEET)

    assert caught.value.retry_after_seconds == 17.0


async def test_a_token_that_has_expired_is_renewed_unseen(cloud: OpenStackCloud, stub: OpenStackStub) -> None:
    await cloud.instances(FLEET)
    stub.fails(*LIST, refusal(401))

    assert await cloud.instances(FLEET) == []


async def test_credentials_that_are_refused_are_not_authorized(cloud: OpenStackCloud, stub: OpenStackStub) -> None:
    says = {"error": {"code": 401, "message": "The request you have made requires authentication."}}
    stub.fails(*TOKEN, body(says, status=401))

    with pytest.raises(NotAuthorized, match="requires authentication"):
        await cloud.instances(FLEET)


async def test_a_nova_that_knows_no_tags_at_birth_is_asked_for_no_server(
    cloud: OpenStackCloud, stub: OpenStackStub
) -> None:
    stub.fails(*LIST, body({"servers": []}, headers={}), body({"servers": []}, headers={}))

    with pytest.raises(Misconfigured, match=r"2\.52"):
        await launch(cloud, "app-tier-1")

    assert made(stub) == 0


async def test_an_older_nova_s_own_words_are_passed_on(cloud: OpenStackCloud, stub: OpenStackStub) -> None:
    stub.fails(*LIST, refusal(406, "Version 2.52 is not supported by the API. Minimum is 2.1 and maximum is 2.38."))

    with pytest.raises(Misconfigured, match=r"maximum is 2\.38"):
        await cloud.instances(FLEET)


@pytest.mark.parametrize("says", [hang, reset, half, page(504)])
async def test_r2_a_server_that_was_born_unseen_is_found(
    cloud: OpenStackCloud, stub: OpenStackStub, says: Fault
) -> None:
    async def born_unseen(request: object) -> object:
        await stub.properly(request)  # type: ignore[arg-type]
        return await says(request)  # type: ignore[arg-type]

    stub.fails(*CREATE, born_unseen)  # type: ignore[arg-type]

    born = await launch(cloud, "app-tier-1")

    assert [i.id for i in born] == list(stub.servers)
    assert made(stub) == 1


@pytest.mark.parametrize("says", [hang, reset, page(503), body({"server": {}})])
async def test_r2_a_create_without_an_answer_leaves_open_whether_anything_was_born(
    cloud: OpenStackCloud, stub: OpenStackStub, says: Fault
) -> None:
    stub.fails(*CREATE, says)

    with pytest.raises(Unavailable):
        await launch(cloud, "app-tier-1")

    # Nobody repeated it: it may have happened.
    assert made(stub) == 1


async def test_r2_whoever_else_was_born_a_doubt_is_told(cloud: OpenStackCloud, stub: OpenStackStub) -> None:
    stub.fails(*CREATE, stub.properly, reset)

    with pytest.raises(Unavailable):
        await launch(cloud, "app-tier-1", "app-tier-2")

    assert len(await cloud.instances(FLEET)) == 1


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (refusal(403, "Quota exceeded for instances: Requested 1, but already used 4 of 4 instances"), QuotaExceeded),
        (refusal(403, "Maximum number of ports exceeded"), QuotaExceeded),
        (refusal(403, "Policy doesn't allow os_compute_api:servers:create to be performed."), NotAuthorized),
        (refusal(400, "Invalid key_name provided."), Misconfigured),
        (refusal(404, "Not found"), Misconfigured),
        (refusal(409, "Multiple security_groups match 'default'. Use an ID to be more specific."), Misconfigured),
        (refusal(429, headers={"Retry-After": "3"}), Throttled),
        (refusal(500, "No valid host was found. There are not enough hosts available."), CapacityUnavailable),
    ],
)
async def test_r12_a_refusal_says_what_to_do(
    cloud: OpenStackCloud, stub: OpenStackStub, refused: Fault, error: type[BurstlensError]
) -> None:
    stub.fails(*CREATE, refused)
    with pytest.raises(error):
        await launch(cloud, "app-tier-1")

    assert stub.servers == {}


async def test_r12_a_refusal_in_the_middle_returns_those_that_were_born(
    cloud: OpenStackCloud, stub: OpenStackStub
) -> None:
    stub.fails(*CREATE, stub.properly, refusal(403, "Quota exceeded for instances"))

    born = await launch(cloud, "app-tier-1", "app-tier-2")

    # They are asked for side by side.
    assert [i.id for i in born] == list(stub.servers)


async def test_r12_no_more_are_asked_for_than_the_quota_has_room_for(
    cloud: OpenStackCloud, stub: OpenStackStub
) -> None:
    """Nova would accept them side by side, and let those that are too many fail."""
    stub.limits |= {"maxTotalInstances": 4, "totalInstancesUsed": 2, "maxTotalCores": 20, "totalCoresUsed": 19}

    born = await launch(cloud, "app-tier-1", "app-tier-2")
    # Nova is late to count what it has just accepted.
    with pytest.raises(QuotaExceeded, match="1 cores"):
        await launch(cloud, "app-tier-3", call="call-2")
    stub.limits |= {"totalCoresUsed": 20}
    with pytest.raises(QuotaExceeded, match="0 cores"):
        await launch(cloud, "app-tier-3", call="call-3")

    assert [i.name for i in born] == ["app-tier-1"]
    assert made(stub) == 1


async def test_r12_why_a_launch_was_cut_short_is_told_once_and_to_its_own_pool_alone(
    cloud: OpenStackCloud, stub: OpenStackStub
) -> None:
    stub.fails(*CREATE, stub.properly, refusal(429, headers={"Retry-After": "3"}))
    await launch(cloud, "app-tier-1", "app-tier-2")

    other = replace(POOL, name="other")
    assert [i.name for i in await launch(cloud, "app-tier-3", pool=other, call="call-2")] == ["app-tier-3"]
    with pytest.raises(Throttled) as caught:
        await launch(cloud, "app-tier-4", call="call-3")
    assert caught.value.retry_after_seconds == 3.0
    assert [i.name for i in await launch(cloud, "app-tier-4", call="call-4")] == ["app-tier-4"]


async def test_r2_a_launch_that_was_cut_short_and_is_repeated_returns_what_was_born_and_goes_on(
    cloud: OpenStackCloud, stub: OpenStackStub
) -> None:
    stub.fails(*CREATE, stub.properly, refusal(403, "Quota exceeded for instances"))
    (born,) = await launch(cloud, "app-tier-1", "app-tier-2")

    again = await launch(cloud, "app-tier-1", "app-tier-2")

    assert born.id in {i.id for i in again}
    assert len(again) == len(stub.servers) == 2


async def test_r11_a_zone_that_is_down_leaves_the_next_one(cloud: OpenStackCloud, stub: OpenStackStub) -> None:
    zones = body({"availabilityZoneInfo": [{"zoneName": "a", "zoneState": {"available": False}}, {"zoneName": "b"}]})
    stub.fails(*CREATE, refusal(400, "The requested availability zone is not available"))
    stub.fails("GET", "/os-availability-zone", zones)
    pool = Pool(name="private", cloud="openstack", cap=9, instance_types=("lab.tiny",), image="tiny", zones=("a", "b"))

    born = await launch(cloud, "app-tier-1", pool=pool)

    (server,) = stub.servers.values()
    assert server["metadata"]["burstlens-zone"] == "b"
    assert [i.id for i in born] == [server["id"]]


async def test_a_zone_that_is_not_there_is_a_mistake_in_the_settings(
    cloud: OpenStackCloud, stub: OpenStackStub
) -> None:
    stub.fails(*CREATE, refusal(400, "The requested availability zone is not available"))
    stub.fails("GET", "/os-availability-zone", body({"availabilityZoneInfo": [{"zoneName": "b"}]}))
    pool = Pool(name="private", cloud="openstack", cap=9, instance_types=("lab.tiny",), image="tiny", zones=("a",))

    with pytest.raises(Misconfigured, match="check zones"):
        await launch(cloud, "app-tier-1", pool=pool)


async def test_r11_a_server_that_found_no_host_cools_its_offer(cloud: OpenStackCloud, stub: OpenStackStub) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    own = {"burstlens-pool": "private", "burstlens-flavor": "lab.tiny", "burstlens-zone": ""}
    fault = {"code": 500, "message": "No valid host was found. ", "created": now}
    stub.add("app-tier-1", status="ERROR", fault=fault, metadata=own)

    (failed,) = await cloud.instances(FLEET)
    with pytest.raises(CapacityUnavailable, match="No valid host"):
        await launch(cloud, "app-tier-2")

    assert (failed.state, failed.fault) == (State.FAILED, "No valid host was found.")
    assert made(stub) == 0


@pytest.mark.parametrize(
    ("status", "task", "fleet"),
    [
        ("ACTIVE", None, FLEET),
        ("BUILD", "spawning", FLEET),
        ("SHUTOFF", "powering-on", FLEET),
        ("ACTIVE", "powering-off", FLEET),
        ("SHUTOFF", None, "fleet-b"),
        ("ERROR", None, FLEET),
        ("SHELVED", None, FLEET),
    ],
)
async def test_listing_deletes_nothing_but_own_servers_that_are_off(
    cloud: OpenStackCloud, stub: OpenStackStub, status: str, task: str | None, fleet: str
) -> None:
    key = stub.add("app-tier-1", status=status, fleet=fleet, **{"OS-EXT-STS:task_state": task})
    # As if nova had overlooked the filter.
    stub.fails(*LIST, body({"servers": [stub.servers[key]]}))

    await cloud.instances(FLEET)

    assert key in stub.servers


async def test_one_that_cannot_be_deleted_is_shown_and_tried_again(cloud: OpenStackCloud, stub: OpenStackStub) -> None:
    key = stub.add("app-tier-1", status="SHUTOFF")
    stub.fails("DELETE", key, refusal(409, "Instance is locked"))

    (shown,) = await cloud.instances(FLEET)
    assert (shown.state, key in stub.servers) == (State.DRAINING, True)

    await cloud.instances(FLEET)
    assert key not in stub.servers


async def test_a_stop_or_a_delete_that_is_in_conflict_with_another_task_is_asked_again(
    cloud: OpenStackCloud, stub: OpenStackStub
) -> None:
    key = stub.add("app-tier-1", **{"OS-EXT-STS:task_state": "image_snapshot"})
    stub.fails("POST", "/action", refusal(409, "Cannot 'stop' instance while it is in task_state image_snapshot"))
    stub.fails("DELETE", key, refusal(409, "Instance is locked"))

    with pytest.raises(Unavailable):
        await cloud.drain([key])
    with pytest.raises(Unavailable):
        await cloud.terminate([key])


@pytest.mark.parametrize("call", ["drain", "terminate", "instances"])
async def test_r7_a_nova_that_does_not_answer_is_not_asked_about_every_server(
    cloud: OpenStackCloud, stub: OpenStackStub, call: str
) -> None:
    """It would keep all other clouds waiting, too."""
    keys = [stub.add(f"app-tier-{n}", status="SHUTOFF" if call == "instances" else "ACTIVE") for n in range(12)]
    for key in keys:
        stub.fails("DELETE", key, hang)
        stub.fails("POST", f"{key}/action", hang)

    if call == "instances":
        assert len(await cloud.instances(FLEET)) == 12
    else:
        with pytest.raises(Unavailable):
            await getattr(cloud, call)(keys)

    assert sum(method == "DELETE" or path.endswith("/action") for method, path in stub.asked) <= 8


async def test_one_that_cannot_be_ended_does_not_spare_the_others(cloud: OpenStackCloud, stub: OpenStackStub) -> None:
    first, second = stub.add("app-tier-1"), stub.add("app-tier-2")
    stub.fails("DELETE", first, refusal(500))

    with pytest.raises(Unavailable):
        await cloud.terminate([first, second])

    assert list(stub.servers) == [first]


@pytest.mark.parametrize("status", [404, 409])
async def test_what_is_being_built_is_deleted_instead_of_stopped(
    cloud: OpenStackCloud, stub: OpenStackStub, status: int
) -> None:
    """Nova says 404 of a server that it has not passed on to a host yet."""
    key = stub.add("app-tier-1", status="BUILD")
    stub.fails("POST", "/action", refusal(status, "Instance could not be found."))

    await cloud.drain([key])

    assert stub.servers == {}


async def test_one_that_was_asked_to_go_drains_whatever_nova_shows(cloud: OpenStackCloud, stub: OpenStackStub) -> None:
    key = stub.add("app-tier-1", status="BUILD")
    there = dict(stub.servers)
    await cloud.terminate([key])
    stub.servers = there

    assert [i.state for i in await cloud.instances(FLEET)] == [State.DRAINING]

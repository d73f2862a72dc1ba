"""What a server is to the port."""

from typing import Any

import pytest
from pydantic import ValidationError

from burstlens.clouds.base import State
from burstlens.clouds.offers import Offer
from burstlens.clouds.openstack.server import Server

CREATED = "2025-11-24T12:00:00Z"


def server(status: str = "ACTIVE", task: str | None = None, **more: object) -> Server:
    """As nova shows one."""
    shown: dict[str, Any] = {
        "id": "0d3f6f0a-8a57-4a4e-9d3b-5b7a8a3e2c11",
        "name": "app-tier-1",
        "status": status,
        "created": CREATED,
        "OS-EXT-STS:task_state": task,
        "OS-EXT-STS:vm_state": "active",
        "tags": ["burstlens-fleet=fleet-a", "of-others"],
        "metadata": {"burstlens-pool": "private", "burstlens-flavor": "lab.tiny", "burstlens-zone": "a"},
        "description": "d",
    }
    return Server.model_validate(shown | more)


@pytest.mark.parametrize(
    ("status", "task", "state"),
    [
        ("BUILD", "scheduling", State.PENDING),
        ("BUILD", None, State.PENDING),
        ("BUILD", "deleting", State.DRAINING),
        ("ACTIVE", None, State.RUNNING),
        ("ACTIVE", "image_snapshot", State.RUNNING),
        ("ACTIVE", "powering-off", State.DRAINING),
        ("ACTIVE", "deleting", State.DRAINING),
        ("SHUTOFF", None, State.DRAINING),
        ("SHUTOFF", "powering-on", State.DRAINING),
        ("REBOOT", "rebooting", State.RUNNING),
        ("HARD_REBOOT", None, State.RUNNING),
        ("MIGRATING", "migrating", State.RUNNING),
        ("VERIFY_RESIZE", None, State.RUNNING),
        ("UNKNOWN", None, State.RUNNING),
        ("SOMETHING_NEW", None, State.RUNNING),
        ("PAUSED", None, State.FAILED),
        ("SUSPENDED", None, State.FAILED),
        ("RESCUE", None, State.FAILED),
        ("SHELVED", None, State.FAILED),
        ("SHELVED_OFFLOADED", None, State.FAILED),
        ("ERROR", None, State.FAILED),
        ("ERROR", "deleting", State.DRAINING),
        ("DELETED", None, State.TERMINATED),
        ("SOFT_DELETED", None, State.TERMINATED),
    ],
)
def test_each_status_and_task_is_a_state(status: str, task: str | None, state: State) -> None:
    assert server(status, task).instance().state is state


@pytest.mark.parametrize(
    ("status", "task", "done"),
    [
        ("SHUTOFF", None, True),
        ("SHUTOFF", "powering-on", False),
        ("SHUTOFF", "rebuilding", False),
        ("SHUTOFF", "image_snapshot", False),
        ("SHUTOFF", "deleting", False),
        ("ACTIVE", "powering-off", False),
        ("BUILD", None, False),
        ("ERROR", None, False),
    ],
)
def test_only_what_is_off_and_at_rest_may_be_swept(status: str, task: str | None, done: bool) -> None:
    assert server(status, task).is_done is done


def test_an_instance_has_its_name_pool_and_time_of_birth() -> None:
    instance = server().instance()

    assert (instance.name, instance.pool, instance.launched_at, instance.fault) == (
        "app-tier-1",
        "private",
        1_763_985_600.0,
        "",
    )


def test_r13_a_failed_one_says_why() -> None:
    fault = {"code": 500, "message": "No valid host was found. ", "created": CREATED}

    assert server("ERROR", fault=fault).instance().fault == "No valid host was found."
    assert server("ERROR").instance().fault == "it is ERROR"
    assert server("PAUSED").instance().fault == "it is PAUSED"
    assert server("ACTIVE", fault=fault).instance().fault == ""


def test_r11_only_what_found_no_host_refuses_its_offer() -> None:
    def failed(message: str) -> Server:
        return server("ERROR", fault={"code": 500, "message": message, "created": CREATED})

    assert failed("No valid host was found. ").refused_offer == Offer("private", "lab.tiny", "a")
    assert failed("Flavor's disk is too small for requested image.").refused_offer is None
    assert server("ERROR").refused_offer is None


def test_one_that_has_ended_belongs_to_the_pool_of_its_launch() -> None:
    ended = server("DELETED", tags=[], metadata={}).instance("private")

    assert (ended.pool, ended.state) == ("private", State.TERMINATED)


def test_its_own_tag_says_whose_it_is() -> None:
    assert server().is_of("fleet-a")
    assert not server().is_of("fleet")
    assert not server(tags=[]).is_of("fleet-a")


@pytest.mark.parametrize("part", ["id", "name", "status", "created"])
def test_r7_what_lacks_a_part_is_no_server(part: str) -> None:
    whole = server().model_dump()
    with pytest.raises(ValidationError):
        Server.model_validate({**whole, part: None})

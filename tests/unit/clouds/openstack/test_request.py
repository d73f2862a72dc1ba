"""What nova is asked for."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from burstlens.clouds.base import Pool, Spec, State
from burstlens.clouds.offers import Offer
from burstlens.clouds.openstack.quota import Flavor
from burstlens.clouds.openstack.request import Order
from burstlens.clouds.user_data import CREDENTIALS_FILE, ENVIRONMENT_FILE, MAX_BYTES
from burstlens.openstack.options import OpenStackOptions

OFFER = Offer("private", "lab.tiny", "fake")
ORDER = Order(
    Pool(name="private", cloud="openstack", cap=4, instance_types=("lab.tiny",), image="tiny"),
    "f" * 40,
    "t-1",
    spec=Spec({"BURSTLENS_FLEET": "f", "BURSTLENS_POOL": "of nobody"}, {"AWS_SESSION_TOKEN": "secret"}),
    options=OpenStackOptions(),
    image="image-id",
    network="network-id",
    flavors={"lab.tiny": Flavor("flavor-id", 1, 512)},
)


def body(order: Order = ORDER, offer: Offer = OFFER) -> dict[str, Any]:
    server = order.body("app-tier-1", offer)["server"]
    assert isinstance(server, dict)
    return server


def files(server: dict[str, Any]) -> dict[str, str]:
    text = base64.b64decode(server["user_data"]).decode()
    assert text.startswith("#cloud-config\n")
    return {file["path"]: file["content"] for file in json.loads(text.partition("\n")[2])["write_files"]}


def test_r3_whose_it_is_is_part_of_the_create() -> None:
    server = body()

    assert server["name"] == "app-tier-1"
    assert server["tags"] == [f"burstlens-fleet={'f' * 40}"]
    assert server["metadata"] == {
        "burstlens-pool": "private",
        "burstlens-flavor": "lab.tiny",
        "burstlens-zone": "fake",
    }
    assert server["description"] == f"burstlens worker of fleet {'f' * 40}, pool private, launch t-1"


def test_a_tag_is_one_that_nova_takes() -> None:
    (tag,) = body()["tags"]

    assert len(tag) <= 60
    assert not set("/,") & set(tag)


def test_two_launches_and_two_fleets_and_two_pools_are_told_apart() -> None:
    orders = [
        ORDER,
        Order(ORDER.pool, ORDER.fleet, "t-2", ORDER.spec, ORDER.options, ORDER.image, ORDER.network, ORDER.flavors),
        replace(ORDER, fleet="g"),
        replace(ORDER, pool=replace(ORDER.pool, name="p")),
    ]

    assert len({order.description for order in orders}) == 4


def test_the_worker_is_told_who_it_is_and_its_secrets_apart() -> None:
    told = files(body())

    assert set(told[ENVIRONMENT_FILE].splitlines()) == {
        "BURSTLENS_CLOUD='openstack'",
        "BURSTLENS_FLEET='f'",
        "BURSTLENS_INSTANCE='app-tier-1'",
        "BURSTLENS_INSTANCE_ID_FILE='/var/lib/cloud/data/instance-id'",
        "BURSTLENS_POOL='private'",
    }
    assert told[CREDENTIALS_FILE] == "AWS_SESSION_TOKEN='secret'\n"


def test_the_largest_user_data_is_no_more_than_nova_takes() -> None:
    assert len(base64.b64encode(bytes(MAX_BYTES))) <= 65_535


def test_places_and_ids_are_passed_on() -> None:
    server = body()

    assert (server["imageRef"], server["flavorRef"]) == ("image-id", "flavor-id")
    assert server["networks"] == [{"uuid": "network-id"}]
    assert server["availability_zone"] == "fake"
    assert server["security_groups"] == [{"name": "default"}]
    assert server["config_drive"] is True


@pytest.mark.parametrize("key", ["availability_zone", "security_groups", "key_name"])
def test_what_is_not_set_is_left_to_the_cloud(key: str) -> None:
    bare = replace(ORDER, options=OpenStackOptions(security_groups=()))

    assert key not in body(bare, Offer("private", "lab.tiny"))


def test_a_key_pair_may_be_named() -> None:
    assert body(replace(ORDER, options=OpenStackOptions(key_pair="ops")))["key_name"] == "ops"


def test_until_nova_shows_it_a_newborn_is_pending() -> None:
    newborn = ORDER.newborn("id", "app-tier-1", OFFER, 1_763_985_600.0)
    instance = newborn.instance()

    assert (instance.state, instance.pool, instance.launched_at) == (State.PENDING, "private", 1_763_985_600.0)
    assert newborn.is_of(ORDER.fleet)
    assert newborn.description == ORDER.description

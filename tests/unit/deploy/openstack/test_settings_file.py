"""What the private cloud adds to burstlens.toml."""

import tomllib

import pytest

from burstlens.deploy.aws.config import settings_text
from burstlens.deploy.aws.names import Names as AwsNames
from burstlens.deploy.openstack.names import Names
from burstlens.deploy.openstack.settings_file import added, difference, strangers, unreachable
from burstlens.queues.base import QueueOptions
from burstlens.scaling.placement import fill_order
from burstlens.settings import Settings

NAMES = Names("shop")
POOL = {"image": "burstlens", "flavor": "m1.small", "zone": ""}
ON_AWS = settings_text(AwsNames("shop", "123456789012", "eu-central-1"), None, QueueOptions())


def whole(text: str, pool: dict[str, str] = POOL) -> str:
    return f"{text}\n{added(text, NAMES, 'ours', pool)}"


def test_a_file_of_aws_is_completed_so_that_the_private_cloud_is_filled_first() -> None:
    settings = Settings(**tomllib.loads(whole(ON_AWS)))

    assert settings.openstack.cloud == "ours"
    assert settings.openstack.network == "shop"
    assert settings.openstack.security_groups == ("shop-worker",)
    pools = fill_order(settings.fleet_pools(), {})
    assert [(pool.name, pool.cloud) for pool in pools] == [("openstack", "openstack"), ("ec2", "ec2")]
    assert (pools[0].image, pools[0].instance_types, pools[0].zones) == ("burstlens", ("m1.small",), ())


def test_a_file_that_has_everything_is_left_alone() -> None:
    assert added(whole(ON_AWS), NAMES, "ours", POOL) == ""


def test_a_pool_that_comes_after_others_of_an_order_of_their_own_comes_before_them_all() -> None:
    text = '[[pools]]\nname = "here"\ncloud = "local"\ncap = 1\norder = 3\n'

    assert tomllib.loads(whole(text))["pools"][1]["order"] == 2


def test_the_only_pool_has_order_0() -> None:
    assert tomllib.loads(whole("", POOL | {"zone": "az1"}))["pools"] == [
        {
            "name": "openstack",
            "cloud": "openstack",
            "order": 0,
            "cap": 19,
            "image": "burstlens",
            "instance_types": ["m1.small"],
            "zones": ["az1"],
        }
    ]


def test_without_a_queue_that_workers_can_reach_there_is_no_pool_of_them() -> None:
    assert "queue.url is sqlite:" in unreachable(Settings())
    assert unreachable(Settings(**tomllib.loads(ON_AWS))) == ""
    assert "pools" not in tomllib.loads(whole("", {}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('fleet = "theirs"', "fleet is 'theirs' there, and 'shop' here"),
        ('fleet = "shop"\n[openstack]\ncloud = "theirs"', "openstack.cloud is 'theirs' there, and 'ours' here"),
        ('fleet = "shop"', ""),
    ],
)
def test_settings_of_another_deployment_are_known(text: str, words: str) -> None:
    assert difference(Settings(**tomllib.loads(text)), NAMES, "ours") == words


def test_a_network_or_groups_of_somebody_elses_are_told() -> None:
    theirs = '[openstack]\ncloud = "ours"\nnetwork = "lab"\nsecurity_groups = ["default", "more"]\n'

    assert strangers(Settings(**tomllib.loads(theirs)), NAMES) == [
        "openstack.network is 'lab': workers are not on the network shop",
        "openstack.security_groups is default, more: workers are not in the group shop-worker",
    ]
    assert strangers(Settings(**tomllib.loads(whole(ON_AWS))), NAMES) == []

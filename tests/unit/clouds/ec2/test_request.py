"""What RunInstances is asked, as botocore's own model of the API checks it."""

from typing import Any

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator

from burstlens.clouds.base import Market, Pool
from burstlens.clouds.ec2.request import Order, explained
from burstlens.clouds.offers import Offer
from burstlens.clouds.user_data import worker_user_data
from burstlens.errors import BurstlensError, Misconfigured, NotAuthorized, NotFound, Throttled

POOL = Pool(name="burst", cloud="ec2", cap=4, launch_template="lt-0123456789abcdef0")
OFFER = Offer("burst", "c7i.large", "eu-central-1a")
BORN_WITH = [
    {"Key": "Name", "Value": "app-tier-1"},
    {"Key": "burstlens:fleet", "Value": "fleet-a"},
    {"Key": "burstlens:pool", "Value": "burst"},
    {"Key": "burstlens:launch", "Value": "call-1"},
]


def order(pool: Pool = POOL, fleet: str = "fleet-a", call: str = "call-1") -> Order:
    return Order(pool, fleet, call, worker_user_data({"BURSTLENS_CLOUD": "ec2"}))


def request(pool: Pool = POOL, offer: Offer = OFFER) -> dict[str, Any]:
    return order(pool).request("app-tier-1", offer)


SPOT = Pool(
    name="spot", cloud="ec2", cap=4, launch_template="workers", market=Market.SPOT, image="ami-0123456789abcdef0"
)


@pytest.mark.parametrize("pool", [POOL, SPOT])
@pytest.mark.parametrize("offer", [OFFER, Offer("burst"), Offer("burst", zone="subnet-0a1b")])
def test_every_request_has_the_shape_that_the_api_takes(pool: Pool, offer: Offer) -> None:
    shape = get_session().get_service_model("ec2").operation_model("RunInstances").input_shape
    assert shape is not None

    report = ParamValidator().validate(request(pool, offer), shape)

    assert report.generate_report() == ""


def test_a_zone_may_be_a_subnet_and_none_leaves_it_to_the_template() -> None:
    def placed(zone: str) -> dict[str, Any]:
        asked = request(offer=Offer("burst", zone=zone))
        return {key: asked[key] for key in ("SubnetId", "Placement") if key in asked}

    assert placed("subnet-0a1b") == {"SubnetId": "subnet-0a1b"}
    assert placed("eu-central-1a") == {"Placement": {"AvailabilityZone": "eu-central-1a"}}
    assert placed("") == {}


def test_r3_the_tags_are_part_of_the_launch() -> None:
    assert request()["TagSpecifications"] == [
        {"ResourceType": "instance", "Tags": BORN_WITH},
        {"ResourceType": "volume", "Tags": BORN_WITH},
    ]


def test_one_request_is_one_instance_that_ends_when_it_powers_off() -> None:
    asked = request()

    assert (asked["MinCount"], asked["MaxCount"]) == (1, 1)
    assert asked["InstanceInitiatedShutdownBehavior"] == "terminate"


def test_only_the_second_version_of_the_metadata_service_answers_and_no_further_than_the_machine() -> None:
    assert request()["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
        "InstanceMetadataTags": "enabled",
    }


def test_the_offer_says_which_machine_and_where() -> None:
    assert (request()["InstanceType"], request()["Placement"]) == ("c7i.large", {"AvailabilityZone": "eu-central-1a"})
    asked = request(offer=Offer("burst", zone="subnet-0a1b"))
    assert asked["SubnetId"] == "subnet-0a1b"
    assert not {"InstanceType", "Placement"} & asked.keys()


def test_a_template_may_be_named_either_way() -> None:
    assert request(POOL)["LaunchTemplate"] == {"LaunchTemplateId": "lt-0123456789abcdef0", "Version": "$Latest"}
    assert request(SPOT)["LaunchTemplate"] == {"LaunchTemplateName": "workers", "Version": "$Latest"}


def test_the_image_is_the_template_s_unless_the_pool_has_one() -> None:
    assert "ImageId" not in request(POOL)
    assert request(SPOT)["ImageId"] == "ami-0123456789abcdef0"


def test_spot_is_asked_for_once_and_tagged_too() -> None:
    asked = request(SPOT)

    assert "InstanceMarketOptions" not in request(POOL)
    assert asked["InstanceMarketOptions"] == {
        "MarketType": "spot",
        "SpotOptions": {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"},
    }
    kinds = [tagged["ResourceType"] for tagged in asked["TagSpecifications"]]
    assert kinds == ["instance", "volume", "spot-instances-request"]


def test_r2_a_repeated_request_has_the_same_client_token_and_any_other_has_its_own() -> None:
    other_offer = Offer("burst", "c7i.large", "eu-central-1b")
    tokens = [
        order().client_token("app-tier-1", OFFER),
        order().client_token("app-tier-2", OFFER),
        order().client_token("app-tier-1", other_offer),
        order(call="call-2").client_token("app-tier-1", OFFER),
        order(fleet="fleet-b").client_token("app-tier-1", OFFER),
    ]

    assert order().client_token("app-tier-1", OFFER) == tokens[0] == request()["ClientToken"]
    assert len(set(tokens)) == len(tokens)
    assert all(token.isascii() and len(token) <= 64 for token in tokens)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("InvalidAMIID.NotFound: The image id '[ami-1]' does not exist", "`burstlens image bake"),
        (
            "MissingParameter: The request must contain the parameter ImageId",
            "`burstlens image bake",
        ),
        ("InvalidLaunchTemplateId.Malformed: Invalid launch template ID", "check launch_template"),
        (
            "InvalidParameterCombination: Network interfaces and an instance-level subnet ID may not be specified",
            "a launch template with network interfaces takes no subnets as zones",
        ),
        ("InvalidSubnetID.NotFound: The subnet ID 'subnet-1' does not exist", "check zones"),
        ("InvalidParameterValue: Invalid availability zone: [eu-central-1z]", "check zones"),
        ("InvalidParameterValue: Invalid value 'm5.tiny' for InstanceType.", "check instance_types"),
        ("InvalidParameterValue: The architecture 'arm64' of the specified instance type does", "check instance_types"),
        ("InvalidKeyPair.NotFound: The key pair 'me' does not exist", "check the pool's settings"),
    ],
)
def test_a_refusal_says_what_the_operator_can_do(said: str, hint: str) -> None:
    error = explained(Misconfigured(f"run_instances: {said}"), POOL)

    assert isinstance(error, Misconfigured)
    assert str(error).startswith(f"pool burst: {hint}")
    assert said in str(error)


def test_a_launch_template_that_is_gone_is_a_wrong_setting() -> None:
    error = explained(NotFound("run_instances: InvalidLaunchTemplateId.NotFound: gone"), POOL)

    assert isinstance(error, Misconfigured)
    assert "`burstlens deploy aws up` makes one" in str(error)


@pytest.mark.parametrize("error", [Throttled("later"), NotAuthorized("no")])
def test_other_refusals_stay_what_they_are(error: BurstlensError) -> None:
    assert explained(error, POOL) is error

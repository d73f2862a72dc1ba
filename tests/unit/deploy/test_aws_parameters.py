"""What the template is filled with."""

import pytest

from burstlens.deploy.aws.parameters import CHOSEN, Wish
from burstlens.errors import Misconfigured
from burstlens.queues.base import QueueOptions

OPTIONS = QueueOptions(lease_seconds=12.5, max_attempts=4)


def test_a_new_fleet_begins_with_the_defaults_and_its_own_queue_options() -> None:
    assert Wish().parameters("cams", OPTIONS, {}) == {
        **CHOSEN,
        "Fleet": "cams",
        "LeaseSeconds": "13",
        "MaxReceives": "7",
    }


def test_what_is_not_asked_for_stays_as_the_stack_has_it() -> None:
    before = {**CHOSEN, "ImageId": "ami-1", "WebPort": "8080", "MaxReceives": "99", "OfAnotherVersion": "x"}

    after = Wish(expire_days=0).parameters("cams", OPTIONS, before)

    assert (after["ImageId"], after["WebPort"], after["ExpireDays"]) == ("ami-1", "8080", "0")
    assert after["MaxReceives"] == "7"
    assert "OfAnotherVersion" not in after


def test_what_is_asked_for_wins_over_what_the_stack_has() -> None:
    wish = Wish(image="ami-2", with_web=False, web_port=443, web_from="203.0.113.0/24", subnet="subnet-1")
    after = wish.parameters("cams", OPTIONS, {**CHOSEN, "ImageId": "ami-1", "WithWeb": "true"})

    asked = ("ImageId", "WithWeb", "WebPort", "WebCidr", "WebSubnetId")
    assert [after[name] for name in asked] == ["ami-2", "false", "443", "203.0.113.0/24", "subnet-1"]


@pytest.mark.parametrize(("asked", "then"), [(True, "true"), (False, "false"), (None, "true")])
def test_a_private_cloud_stays_until_it_is_given_up(asked: bool | None, then: str) -> None:
    before = Wish(private_cloud=True).parameters("cams", OPTIONS, {})
    assert before["PrivateCloud"] == "true"
    assert Wish(private_cloud=asked).parameters("cams", OPTIONS, before)["PrivateCloud"] == then


def test_a_web_host_needs_an_image() -> None:
    with pytest.raises(Misconfigured, match="burstlens image bake"):
        Wish(with_web=True).parameters("cams", OPTIONS, {})


@pytest.mark.parametrize("cidr", ["everybody", "203.0.113.7/24", "::/0", "300.0.0.0/8"])
def test_a_range_that_is_none_is_refused(cidr: str) -> None:
    with pytest.raises(Misconfigured, match=r"--web-from: .* is no range of IPv4 addresses"):
        Wish(web_from=cidr).parameters("cams", OPTIONS, {})

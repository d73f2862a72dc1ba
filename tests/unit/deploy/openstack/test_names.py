"""What proves that a thing is a fleet's."""

import pytest

from burstlens.deploy.openstack.names import Names
from burstlens.errors import Misconfigured

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@here"
NAMES = Names("shop")


def test_the_name_of_a_key_pair_holds_for_one_fleet_project_and_key() -> None:
    name = NAMES.key_pair("project", KEY)

    assert name.startswith("shop-")
    assert NAMES.key_pair("project", KEY.replace("me@here", "somebody else")) == name
    others = {
        NAMES.key_pair("another", KEY),
        NAMES.key_pair("project", KEY.replace("AAAA", "BBBB")),
        Names("shop-2").key_pair("project", KEY),
    }
    assert name not in others
    assert len(others) == 3


def test_fleets_have_marks_of_their_own() -> None:
    assert Names("shop").mark != Names("shop-2").mark


@pytest.mark.parametrize("fleet", ["", "Shop", "a b", "a,b", "../shop", "1shop", "shop\n", "a" * 41])
def test_a_name_that_settings_could_not_hold_is_refused_before_anything_has_it(fleet: str) -> None:
    with pytest.raises(Misconfigured, match="is no name of a fleet"):
        Names(fleet)

"""Offers and their cool-down (R11)."""

from burstlens.clouds.base import Pool
from burstlens.clouds.offers import COOL_SECONDS, Cooling, Offer, offers_of

NOW = 1_700_000_000.0


def pool(*, types: tuple[str, ...] = (), zones: tuple[str, ...] = ()) -> Pool:
    return Pool(name="burst", cloud="ec2", cap=4, instance_types=types, zones=zones)


def test_r11_the_next_zone_comes_before_the_next_type() -> None:
    offers = offers_of(pool(types=("c7i.large", "m7i.large"), zones=("eu-central-1a", "eu-central-1b")))

    assert [(offer.instance_type, offer.zone) for offer in offers] == [
        ("c7i.large", "eu-central-1a"),
        ("c7i.large", "eu-central-1b"),
        ("m7i.large", "eu-central-1a"),
        ("m7i.large", "eu-central-1b"),
    ]


def test_without_types_the_default_one_is_offered_in_each_zone() -> None:
    offers = offers_of(pool(zones=("eu-central-1a", "eu-central-1b")))

    assert [(offer.instance_type, offer.zone) for offer in offers] == [("", "eu-central-1a"), ("", "eu-central-1b")]


def test_a_pool_that_says_nothing_has_one_offer() -> None:
    (offer,) = offers_of(pool())

    assert str(offer) == "the default type in any zone"


def test_r11_an_offer_cools_down_alone_and_for_a_while() -> None:
    first, second = offers_of(pool(zones=("eu-central-1a", "eu-central-1b")))
    cooling = Cooling()
    cooling.cool(first, "no capacity", NOW)

    assert cooling.is_cold(first, NOW + COOL_SECONDS - 1)
    assert not cooling.is_cold(first, NOW + COOL_SECONDS)
    assert not cooling.is_cold(second, NOW)
    assert (cooling.why(first), cooling.why(second)) == ("no capacity", "")


def test_an_old_refusal_that_is_heard_of_late_does_not_end_the_cool_down_of_a_new_one() -> None:
    (offer,) = offers_of(pool())
    cooling = Cooling()
    cooling.cool(offer, "new", NOW)
    cooling.cool(offer, "old", NOW - 40)

    assert cooling.is_cold(offer, NOW + COOL_SECONDS - 1)
    assert cooling.why(offer) == "new"


def test_pools_do_not_share_an_offer() -> None:
    spot, on_demand = Offer("spot", "c7i.large"), Offer("on-demand", "c7i.large")
    cooling = Cooling()
    cooling.cool(spot, "no spare capacity", NOW)

    assert not cooling.is_cold(on_demand, NOW)

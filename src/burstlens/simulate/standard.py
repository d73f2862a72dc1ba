"""Worlds to compare policies in: one where everything goes as it should, and one where it does not."""

from dataclasses import replace

from burstlens.clouds.base import Billing, Pool
from burstlens.simulate.world import Duration, SimulatedPool, World

PUBLIC, PRIVATE = "public", "private"

BOOT_SIGMA, SERVICE_SIGMA = 0.35, 0.5
"""Of the logarithm: nine in ten boots take from 0.56 to 1.8 times the median, and requests from 0.44 to 2.3 times."""
BOOT_LEAST, BOOT_MOST = 2 / 3, 2.0
"""In multiples of the median: 30 to 90 s for one of 45 s."""
LIST_LAG_SECONDS = 10.0
CAPACITY_ERROR_SHARE = 0.05


def steady_world(
    cap: int = 19,
    boot_seconds: float = 45.0,
    service_seconds: float = 0.5,
    price_per_hour: float = 0.085,
    minimum_seconds: float = 60.0,
    private: int = 0,
    private_price_per_hour: float = 0.0,
) -> World:
    """A public cloud that bills per second, behind `private` instances of one's own if there are any.

    Args:
        cap: the most instances on the public cloud.
        boot_seconds: of every boot.
        service_seconds: of every request.
        price_per_hour: on the public cloud; 0.085 is a c5.large of EC2 in us-east-1.
        minimum_seconds: billed for each launch there at least.
        private: the quota of the private cloud, which is filled first.
        private_price_per_hour: what an instance there costs.
    """
    boot, service = Duration(boot_seconds), Duration(service_seconds)
    own = Pool(PRIVATE, "openstack", private, 0, private_price_per_hour)
    rented = Pool(PUBLIC, "ec2", cap, 1, price_per_hour, billing=Billing(1.0, minimum_seconds))
    pools = [own, rented] if private else [rented]
    return World(tuple(SimulatedPool(pool, boot=boot, service=service) for pool in pools))


def varied(world: World, seed: int = 0) -> World:
    """The same with boots and requests of different lengths, a list that is late, and launches that find no machine."""
    pools = tuple(
        replace(
            each,
            boot=_spread(each.boot.median_seconds, BOOT_SIGMA, BOOT_LEAST, BOOT_MOST),
            service=_spread(each.service.median_seconds, SERVICE_SIGMA),
            capacity_error_share=CAPACITY_ERROR_SHARE,
        )
        for each in world.pools
    )
    return replace(world, pools=pools, list_lag_seconds=LIST_LAG_SECONDS, seed=seed)


def _spread(median: float, sigma: float, least: float = 0.0, most: float = float("inf")) -> Duration:
    return Duration(median, sigma, least * median, most * median)

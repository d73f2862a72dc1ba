"""What was spent is known after every restart."""

from dataclasses import replace
from pathlib import Path

import pytest
from obstore.store import MemoryStore, ObjectStore

from burstlens.buckets import Bucket, open_store
from burstlens.clouds.base import Billing, Instance, Pool, State
from burstlens.errors import Misconfigured, Unavailable
from burstlens.scaling.budget import DAY_SECONDS
from burstlens.scaling.ledger import Ledger
from support.leases import MoodyBucket

pytestmark = pytest.mark.anyio

NOW = 1_700_000_040.0
POOLS = {"public": Pool("public", "ec2", cap=9, price_per_hour=3.6, billing=Billing(1, 60))}
ONE = [Instance("i1", "app-tier-1", "public", State.RUNNING, NOW)]


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}/fleet") if request.param == "file" else MemoryStore()


async def keys(store: ObjectStore) -> list[str]:
    return sorted([key async for key in Bucket(store).list_keys("ledger")])


async def test_r16_r20_a_restart_and_a_takeover_remember_what_was_spent(store: ObjectStore) -> None:
    first = Ledger(Bucket(store))
    await first.keep(NOW, ONE, POOLS, term=1)
    await first.keep(NOW + 600, [], POOLS, term=1)

    for term in (1, 2):
        books = await Ledger(Bucket(store)).keep(NOW + 700, [], POOLS, term=term)
        assert books.spent(DAY_SECONDS) == pytest.approx(0.6)
    assert await keys(store) == [f"ledger/{2:020d}.json"]


async def test_r2_what_a_former_owner_writes_late_is_not_read(store: ObjectStore) -> None:
    former, owner = Ledger(Bucket(store)), Ledger(Bucket(store))
    await former.keep(NOW, ONE, POOLS, term=1)
    await owner.keep(NOW + 600, ONE, POOLS, term=2)
    await former.keep(NOW + 5, [], POOLS, term=1)

    books = await Ledger(Bucket(store)).keep(NOW + 700, ONE, POOLS, term=3)
    assert books.spent(DAY_SECONDS) == pytest.approx(0.7)


async def test_an_owner_that_loses_and_regains_the_lease_reads_what_happened_meanwhile(store: ObjectStore) -> None:
    first, second = Ledger(Bucket(store)), Ledger(Bucket(store))
    await first.keep(NOW, [], POOLS, term=1)
    await second.keep(NOW + 10, ONE, POOLS, term=2)
    await second.keep(NOW + 500, [], POOLS, term=2)

    books = await first.keep(NOW + 600, [], POOLS, term=3)
    assert books.spent(DAY_SECONDS) == pytest.approx(0.5)


async def test_it_is_written_when_the_fleet_changes_and_each_minute(store: ObjectStore) -> None:
    ledger = Ledger(Bucket(store))

    async def written(at: float, fleet: list[Instance]) -> bool:
        await Bucket(store).delete(f"ledger/{1:020d}.json")
        await ledger.keep(at, fleet, POOLS, term=1)
        return bool(await keys(store))

    assert await written(NOW, ONE)
    assert not await written(NOW + 5, ONE)
    assert await written(NOW + 10, [*ONE, replace(ONE[0], id="i2")])
    assert not await written(NOW + 69, [*ONE, replace(ONE[0], id="i2")])
    assert await written(NOW + 70, [*ONE, replace(ONE[0], id="i2")])


async def test_it_stays_small_over_days_of_launches() -> None:
    store = MemoryStore()
    ledger = Ledger(Bucket(store))
    for minute in range(1600):
        fleet = [replace(ONE[0], id=f"i{minute + number}", launched_at=NOW + 60 * minute) for number in range(5)]
        await ledger.keep(NOW + 60 * minute, fleet, POOLS, term=1)
    assert len(await Bucket(store).get(f"ledger/{1:020d}.json")) < 100_000


async def test_r7_what_cannot_be_read_or_written_is_unknown_and_not_lost(store: ObjectStore) -> None:
    bucket = MoodyBucket(store)
    ledger = Ledger(bucket)
    await ledger.keep(NOW, ONE, POOLS, term=1)
    bucket.fault = Unavailable("no answer")
    with pytest.raises(Unavailable):
        await ledger.keep(NOW + 300, [], POOLS, term=1)
    bucket.fault = None

    books = await ledger.keep(NOW + 305, [], POOLS, term=1)
    assert books.spent(DAY_SECONDS) == pytest.approx(0.3)


async def test_r7_damaged_books_are_unknown_and_it_is_said_what_to_do(store: ObjectStore) -> None:
    await Bucket(store).put(f"ledger/{4:020d}.json", b"")
    ledger = Ledger(Bucket(store))
    for _ in range(2):
        with pytest.raises(Misconfigured, match="delete it to begin anew"):
            await ledger.keep(NOW, ONE, POOLS, term=5)
    await Bucket(store).delete(f"ledger/{4:020d}.json")
    await ledger.keep(NOW, ONE, POOLS, term=5)


async def test_terms_that_began_anew_do_not_hide_the_books(store: ObjectStore) -> None:
    await Ledger(Bucket(store)).keep(NOW, ONE, POOLS, term=7)
    await Ledger(Bucket(store)).keep(NOW + 600, [], POOLS, term=1)

    books = await Ledger(Bucket(store)).keep(NOW + 700, [], POOLS, term=2)
    assert books.spent(DAY_SECONDS) == pytest.approx(0.6)

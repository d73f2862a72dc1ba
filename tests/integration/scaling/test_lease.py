"""One autoscaler at a time, whatever hangs, fails or dies."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from obstore.store import MemoryStore, ObjectStore

from burstlens.buckets import Bucket, open_store
from burstlens.scaling.lease import Lease
from burstlens.scaling.lock import AutoscalerLock
from burstlens.scaling.terms import Record
from support.eventually import eventually
from support.leases import NO_ANSWER, Race, race

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}/fleet") if request.param == "file" else MemoryStore()


@pytest.fixture
async def contest() -> AsyncIterator[Race]:
    async with race(MemoryStore()) as contest:
        yield contest


async def test_r2_the_first_has_the_lease_and_a_second_waits_as_standby_and_says_so(store: ObjectStore) -> None:
    async with race(store) as contest:
        first = await contest.enter("host-a process 1")
        with structlog.testing.capture_logs() as logs:
            second = await contest.enter("host-b process 2")
            await contest.pass_seconds(120, step_seconds=1)

        assert (first.lease.holds, first.lease.term) == (True, 1)
        assert not second.lease.holds
        assert [(line["event"], line["owner"]) for line in logs] == [
            ("standby: another autoscaler runs this fleet", "host-a process 1")
        ]


@pytest.mark.parametrize("phase_seconds", [0, 1.5, 3, 4.5])
async def test_r20_within_30_seconds_of_a_crash_the_standby_takes_over_and_never_two_act(
    contest: Race, phase_seconds: float
) -> None:
    """The owner's clock is an hour behind the standby's: nobody trusts another's."""
    first = await contest.enter("a", off_seconds=-3600)
    second = await contest.enter("b")
    await contest.pass_seconds(20 + phase_seconds)
    first.hangs()

    await contest.pass_seconds(14)
    assert not second.lease.holds
    await contest.pass_seconds(16)
    assert (second.lease.holds, second.lease.term) == (True, 2)
    assert not first.lease.holds

    first.recovers()
    await contest.pass_seconds(120, step_seconds=1)
    assert (second.lease.holds, first.lease.holds) == (True, False)


async def test_an_owner_whose_bucket_fails_for_a_moment_keeps_its_term(contest: Race) -> None:
    owner = await contest.enter("a")
    standby = await contest.enter("b")
    owner.bucket.fault = NO_ANSWER
    await contest.pass_seconds(11)
    owner.bucket.fault = None
    await contest.pass_seconds(60)

    assert (owner.lease.holds, owner.lease.term, standby.lease.holds) == (True, 1, False)
    assert owner.lease.errors == {"Unavailable": 2}


async def test_an_owner_that_cannot_renew_stops_acting_and_takes_a_new_term_when_it_can_again(contest: Race) -> None:
    owner = await contest.enter("a")
    owner.bucket.fault = NO_ANSWER
    await contest.pass_seconds(14)
    assert owner.lease.holds
    await contest.pass_seconds(2)
    assert not owner.lease.holds

    await contest.pass_seconds(300, step_seconds=1)
    owner.bucket.fault = None
    await contest.pass_seconds(2)
    assert (owner.lease.holds, owner.lease.term) == (True, 2)


async def test_a_renewal_that_ends_too_late_is_void(contest: Race) -> None:
    """It began in time, but a standby may have had its last look before it came to be written."""
    owner = await contest.enter("a")
    owner.bucket.fault = NO_ANSWER
    await contest.pass_seconds(11)
    owner.hangs()
    owner.bucket.fault = None
    await contest.pass_seconds(5)
    owner.recovers()
    await contest.settle()

    assert not owner.lease.holds


async def test_a_standby_takes_over_at_its_next_look_when_the_owner_leaves_in_order(store: ObjectStore) -> None:
    async with race(store) as contest:
        first = await contest.enter("a")
        second = await contest.enter("b")
        await contest.pass_seconds(10)
        await contest.leave(first)
        assert not first.lease.holds
        await contest.pass_seconds(2)

        assert (second.lease.holds, second.lease.term) == (True, 2)
        keys = [key async for key in Bucket(store).list_keys("autoscaler/lease")]
        assert keys == [f"autoscaler/lease/{2:020d}"], "terms of the past are deleted"


async def test_a_create_whose_answer_was_lost_counts(contest: Race) -> None:
    owner = await contest.enter("a")
    lossy = await contest.enter("b")
    lossy.bucket.loses_creations = True
    await contest.leave(owner)
    await contest.pass_seconds(4)

    assert (lossy.lease.holds, lossy.lease.term) == (True, 2)


async def test_of_many_that_come_at_once_one_gets_it(store: ObjectStore) -> None:
    async with race(store) as contest:
        contenders = await asyncio.gather(*(contest.enter(str(number)) for number in range(8)))
        await contest.pass_seconds(5)
        assert sum(each.lease.holds for each in contenders) == 1


async def test_a_term_of_the_past_that_is_made_late_is_not_owned(contest: Race) -> None:
    """A standby that slept between its last look and its create finds the number free: the term came and went."""
    owner = await contest.enter("a")
    await contest.pass_seconds(1)
    sleeper = await contest.enter("b")
    sleeper.bucket.hangs_at_create = True
    await contest.leave(owner)
    await contest.pass_seconds(2.5)
    third = await contest.enter("c")
    await contest.leave(third)
    fourth = await contest.enter("d")
    assert (fourth.lease.holds, fourth.lease.term) == (True, 3)
    sleeper.bucket.hangs_at_create = False
    sleeper.recovers()
    await contest.settle()
    assert await contest.has_term(2), "it was made late"
    await contest.pass_seconds(60)

    assert fourth.lease.holds
    assert not sleeper.lease.holds


async def test_a_clock_that_is_set_back_is_no_witness(contest: Race) -> None:
    owner = await contest.enter("a")
    owner.clock.off_seconds -= 600
    assert not owner.lease.holds
    await contest.pass_seconds(7)
    assert owner.lease.holds


async def test_a_standby_whose_clock_jumps_does_not_take_over(contest: Race) -> None:
    owner = await contest.enter("a")
    standby = await contest.enter("b")
    await contest.pass_seconds(3)
    standby.clock.off_seconds += 3600
    await contest.pass_seconds(30)

    assert (owner.lease.holds, standby.lease.holds) == (True, False)


async def test_a_damaged_term_is_waited_for_and_taken_over(contest: Race) -> None:
    await Bucket(contest.store).put(f"autoscaler/lease/{7:020d}", b"")
    contender = await contest.enter("a")
    await contest.pass_seconds(15)
    assert not contender.lease.holds
    await contest.pass_seconds(10)

    assert (contender.lease.holds, contender.lease.term) == (True, 8)


async def test_r20_who_holds_a_dead_owner_s_lock_does_not_wait(contest: Race, tmp_path: Path) -> None:
    """A restart on the same machine acts at once; on any other it waits, and an owner that lives is left alone."""
    path = tmp_path / "autoscaler.lock"
    dead = AutoscalerLock(path)
    record = Record(owner="killed", who="killed", seat=dead.seat())
    await Bucket(contest.store).put(f"autoscaler/lease/{1:020d}", record.model_dump_json().encode())
    elsewhere = await contest.enter("elsewhere", seat=AutoscalerLock(tmp_path / "other.lock").seat)
    restarted = await contest.enter("restarted", seat=AutoscalerLock(path).seat)
    assert contest.owners() == [], "its lock is still held"

    dead.close()
    await contest.pass_seconds(2.5)
    assert restarted.lease.holds
    assert not elsewhere.lease.holds


@pytest.mark.parametrize("seed", range(4))
async def test_never_two_at_once_and_always_one_again_under_random_faults(contest: Race, seed: int) -> None:
    dice = random.Random(seed)
    contenders = [await contest.enter(str(number), off_seconds=dice.uniform(-1e6, 1e6)) for number in range(3)]
    for _ in range(25):
        victim = dice.choice(contenders)
        victim.bucket.fault = dice.choice([None, None, NO_ANSWER])
        dice.choice([victim.recovers, victim.recovers, victim.hangs, victim.bucket.answers.clear])()
        await contest.pass_seconds(dice.choice([1, 4, 9, 16, 30]))
    for each in contenders:
        each.bucket.fault = None
        each.recovers()
    await contest.pass_seconds(45)

    assert len(contest.owners()) == 1


async def test_it_stops_although_the_bucket_hangs(contest: Race) -> None:
    owner = await contest.enter("a")
    owner.hangs()
    await contest.pass_seconds(6)
    owner.ended.set()
    await contest.pass_seconds(25)


async def test_held_returns_when_the_lease_is_there(contest: Race) -> None:
    first = await contest.enter("a")
    await asyncio.wait_for(first.lease.held(), 5)
    second = await contest.enter("b")
    waiting = asyncio.create_task(second.lease.held())
    await contest.pass_seconds(5)
    assert not waiting.done()
    await contest.leave(first)
    await contest.pass_seconds(3)

    assert waiting.done()


ACTOR = """
import asyncio, os, sys
from burstlens.buckets import Bucket, open_store
from burstlens.clock import SystemClock
from burstlens.scaling.lease import Lease, Rhythm

async def main():
    url, log, who = sys.argv[1:]
    rhythm = Rhythm(renew_seconds=0.1, valid_seconds=0.6, look_seconds=0.1, patience_seconds=1)
    lease = Lease(Bucket(open_store(url)), SystemClock(), who, rhythm=rhythm)
    acts = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with lease.contended():
        while True:
            await lease.held()
            act = f"{lease.term} {who}\\n".encode()
            if lease.holds:
                os.write(acts, act)
            await asyncio.sleep(0.05)

asyncio.run(main())
"""


async def test_r2_a_process_that_was_stopped_and_goes_on_acts_no_more_in_its_old_term(tmp_path: Path) -> None:
    """SIGSTOP to the owner, then SIGCONT; then SIGKILL to its successor."""
    log = tmp_path / "acts"

    def start(who: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", ACTOR, f"file://{tmp_path}/fleet", str(log), who])

    def acts() -> list[tuple[int, str]]:
        lines = (line.split() for line in log.read_text().splitlines()) if log.exists() else ()
        return [(int(term), who) for term, who in lines]

    async def acted(who: str, above: int = 0) -> int:
        async def so() -> bool:
            return any(term > above and actor == who for term, actor in acts())

        await eventually(so)
        return acts()[-1][0]

    with start("a") as first:
        term = await acted("a")
        with start("b") as second:
            try:
                first.send_signal(signal.SIGSTOP)
                term = await acted("b", above=term)
                first.send_signal(signal.SIGCONT)
                await asyncio.sleep(0.3)
                second.kill()
                await acted("a", above=term)
            finally:
                first.kill()
                second.kill()
    terms = [term for term, _ in acts()]
    assert terms == sorted(terms)


async def test_an_unexpected_error_is_logged_and_survived(contest: Race) -> None:
    broken = [True]

    def seat() -> str:
        if broken:
            raise ZeroDivisionError
        return ""

    with structlog.testing.capture_logs() as logs:
        contender = await contest.enter("a", seat=seat)
        assert not contender.lease.holds
        broken.clear()
        await contest.pass_seconds(3)

    assert contender.lease.holds
    assert logs[0]["event"] == "a look at the autoscaler's lease failed"
    assert contender.lease.errors == {"ZeroDivisionError": 1}


def test_a_lease_that_was_never_looked_for_is_not_held() -> None:
    lease = Lease(Bucket(MemoryStore()), Race(MemoryStore()).clock, "a")
    assert not lease.holds
    assert not lease.was_last

"""`deadline`, tick by tick."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burstlens.clouds.base import Billing
from burstlens.scaling.observation import Cohort, Observation, Prospect
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.deadline import Deadline
from burstlens.scaling.traffic import Traffic

PUBLIC = Prospect("public", 45.0, 0.5, price_per_hour=1.0, billing=Billing(1, 60), room=19, slow_boot_seconds=45.0)
LONG = ScalingOptions(policy="deadline", deadline_seconds=120.0)


class Watch:
    """Shows a policy one tick after the other."""

    def __init__(self, options: ScalingOptions = LONG, pool: Prospect = PUBLIC, at: float = 1000.0) -> None:
        self.policy = Deadline(options)
        self.pool = pool
        self.at = at
        self.traffic = Traffic()
        self.done = 0.0

    def see(self, depth: int, cohorts: tuple[Cohort, ...] = (), *, done: float = 0.0, busy: int = 0) -> Observation:
        self.at += 5.0
        self.done += done
        self.traffic = self.traffic.after(self.at, depth, self.done)
        return Observation(
            depth,
            (depth,),
            pending=sum(c.count for c in cohorts if c.booting),
            running=sum(c.count for c in cohorts if not c.booting),
            busy=busy,
            at=self.at,
            cohorts=cohorts,
            prospects=(self.pool,),
            traffic=self.traffic,
        )

    def wish(self, depth: int, cohorts: tuple[Cohort, ...] = (), *, done: float = 0.0, busy: int = 0) -> int:
        return self.policy.desired(self.see(depth, cohorts, done=done, busy=busy))

    def first_wish(self, burst: int) -> int:
        """For so many that come at once and nobody after them."""
        return next(wish for _ in range(100) if (wish := self.wish(burst)))


def running(count: int, age_seconds: float) -> Cohort:
    return Cohort("public", count, age_seconds, booting=False)


def test_a_launch_waits_while_as_few_would_do_a_tick_later_and_requests_still_come() -> None:
    watch = Watch()
    wishes = [watch.wish(number) for number in range(1, 40)]
    first = next(number for number, wish in enumerate(wishes) if wish)

    # 120 − 45 − 0.5 s, less the tick in which nobody knows when they came, its second, and the tick to come.
    assert 12 <= first <= 13
    assert wishes[first] == 1


def test_nobody_is_waited_for_when_nobody_comes_any_more() -> None:
    watch = Watch()

    assert [watch.wish(10) for _ in range(6)] == [0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize(("burst", "fleet"), [(10, 1), (100, 1), (500, 4), (1000, 8), (100_000, 19)])
def test_a_burst_gets_the_fewest_that_are_in_time(burst: int, fleet: int) -> None:
    watch = Watch()

    assert watch.first_wish(burst) == fleet


def test_idle_ones_go_when_what_was_paid_for_is_used_up_and_not_before() -> None:
    watch = Watch(at=0.0)
    for _ in range(30):
        watch.wish(0, (running(3, 59),))

    assert watch.wish(0, (running(3, 59),)) == 3
    assert watch.wish(0, (running(2, 60), running(1, 59))) == 1
    assert watch.wish(0, (running(3, 60),), busy=2) == 2


def test_who_is_idle_for_a_moment_stays_for_the_load_of_the_last_minute() -> None:
    def kept(done: float) -> int:
        watch = Watch()
        return [watch.wish(0, (running(6, 500),), done=done) for _ in range(30)][-1]

    assert [kept(done) for done in (0, 27, 28, 60)] == [0, 2, 3, 6], "2.75 instances keep three"


def test_nobody_goes_while_others_boot_for_what_waits() -> None:
    watch = Watch()
    for _ in range(30):
        watch.wish(0)
    fleet = (running(3, 500), Cohort("public", 2, 20.0, booting=True))

    assert watch.wish(1, fleet, busy=1) == 5
    assert watch.wish(0, fleet, done=1) == 2


def test_hours_are_used_to_their_end() -> None:
    watch = Watch(pool=replace(PUBLIC, billing=Billing(3600, 0)))
    for _ in range(30):
        watch.wish(0, (running(1, 100),))

    assert watch.wish(0, (running(1, 3000),)) == 1
    assert watch.wish(0, (running(1, 3600),)) == 0


def test_r20_after_a_restart_nobody_is_sent_away_for_the_time_of_a_boot() -> None:
    watch = Watch()
    wishes = [watch.wish(0, (running(9, 500),)) for _ in range(12)]

    assert wishes[:9] == [9] * 9
    assert wishes[-1] == 0


def test_boots_that_are_late_call_for_a_few_more_and_not_for_a_hundred() -> None:
    watch = Watch(LONG.model_copy(update={"max_instances": 200}))
    overdue = (Cohort("public", 3, 100.0, booting=True),)
    wishes = [watch.wish(360, overdue) for _ in range(20)]

    assert 3 < max(wishes) <= 6, "36 s of work are left when an instance has 3 s for it"


def test_a_deadline_a_little_longer_than_a_boot_is_met_by_launching_at_once() -> None:
    pool = replace(PUBLIC, slow_boot_seconds=0.0)
    watch = Watch(LONG.model_copy(update={"deadline_seconds": 60.0}), pool)

    assert watch.wish(1) == 1
    assert "reserve" not in watch.policy.explain(watch.see(1))


def test_r1_those_that_boot_count() -> None:
    watch = Watch()
    launched = watch.first_wish(1000)
    booting = (Cohort("public", launched, 5.0, booting=True),)

    assert watch.wish(1000, booting) == launched


def test_a_faster_pool_needs_fewer() -> None:
    slow, fast = Watch(), Watch(pool=replace(PUBLIC, service_seconds=0.25))

    assert slow.first_wish(1000) == 8
    assert fast.first_wish(1000) == 4


def test_instances_of_a_slower_pool_count_for_what_they_do() -> None:
    def more_than(pool: str) -> int:
        own = Prospect("own", 45.0, 5.0, room=0)
        watch = Watch()
        for _ in range(20):
            seen = replace(watch.see(1000, (Cohort(pool, 4, 500.0, booting=False),), busy=4), prospects=(own, PUBLIC))
            if (wish := watch.policy.desired(seen)) > 4:
                return wish - 4
        return 0

    assert more_than("own") > more_than("public") > 0


def test_where_an_instance_costs_nothing_nobody_waits_to_the_last() -> None:
    watch = Watch(pool=replace(PUBLIC, price_per_hour=0.0, billing=Billing(), boot_seconds=1.0, slow_boot_seconds=1.0))

    assert watch.wish(100) == 10, "50 s of work in a tick"


def test_r17_a_price_for_waiting_makes_it_launch_sooner() -> None:
    def launched_after(price: float) -> int:
        watch = Watch(LONG.model_copy(update={"waiting_price_per_hour": price}))
        return next(tick for tick in range(100) if watch.wish(tick + 1))

    assert launched_after(10.0) < launched_after(0.5) < launched_after(0.0)


def test_a_boot_slower_than_the_deadline_keeps_somebody_there() -> None:
    options = LONG.model_copy(update={"deadline_seconds": 30.0})
    watch = Watch(options)
    watch.wish(5)
    fleet = (running(2, 100),)
    watch.wish(0, fleet, done=5)
    for _ in range(11):
        watch.wish(0, fleet)

    assert watch.wish(0, fleet) == 1
    assert Watch(options).wish(0, fleet) == 2, "a restart; nobody came yet"


def test_ticks_that_nobody_saw_are_made_up_for() -> None:
    options = LONG.model_copy(update={"deadline_seconds": 30.0})
    watch = Watch(options)
    watch.wish(3)
    watch.at += 10 * 3600.0

    assert watch.wish(3) >= 1


@pytest.mark.parametrize("deadline", [120.0, 60.0, 30.0, 0.1])
@pytest.mark.parametrize("waiting", [1, 1000])
def test_what_is_late_already_is_done_all_the_same_when_nobody_comes_any_more(deadline: float, waiting: int) -> None:
    """Nobody could be launched until all of it was late; then one can."""
    dry = replace(PUBLIC, room=0)
    watch = Watch(LONG.model_copy(update={"deadline_seconds": deadline}), dry)
    for _ in range(200):
        watch.wish(waiting)
    watch.pool = PUBLIC
    wishes = [watch.wish(waiting) for _ in range(6)]

    assert 1 <= max(wishes) <= 19
    assert waiting == 1 or max(wishes) > 1, "not by one alone for eight minutes"


def test_a_pool_that_turns_out_to_be_in_time_needs_no_insurance_and_no_catching_up() -> None:
    slow = replace(PUBLIC, boot_seconds=150.0, slow_boot_seconds=150.0)
    watch = Watch(pool=slow)
    for _ in range(30):
        watch.wish(0)
    watch.wish(20)
    watch.wish(0, done=20)
    watch.pool = PUBLIC
    for _ in range(20):
        watch.wish(0)

    assert watch.wish(0) == 0
    assert watch.first_wish(1000) == Watch().first_wish(1000) == 8


def test_a_load_that_boots_become_too_slow_for_is_new_to_the_insurance() -> None:
    options = LONG.model_copy(update={"deadline_seconds": 60.0})
    watch = Watch(options)
    for _ in range(300):
        watch.wish(0, (running(3, 500),), done=20, busy=3)
    watch.pool = replace(PUBLIC, boot_seconds=100.0, slow_boot_seconds=100.0)
    wishes = [watch.wish(0, (running(3, 500),), done=20, busy=3) for _ in range(3)]

    assert wishes[-1] == 4, "twice its highest tick, 2 instances' work, as for a load that nobody knows"
    assert "4 are kept in reserve" in watch.policy.explain(watch.see(0))


def test_where_the_slow_pool_is_full_nobody_is_kept_beyond_it_and_nobody_of_it_sent_away() -> None:
    """The next launch is in time, so it needs no reserve. But who goes leaves room where the next one is not."""
    own = Prospect("own", 150.0, 0.5, room=0, slow_boot_seconds=150.0)
    watch = Watch(pool=PUBLIC)

    def wish(rooms: int, fleet: tuple[Cohort, ...], done: float) -> int:
        seen = replace(watch.see(0, fleet, done=done), prospects=(replace(own, room=rooms), PUBLIC))
        return watch.policy.desired(seen)

    private = Cohort("own", 4, 1000.0, booting=False)
    for done in (0.0, 30.0, 0.0):
        wish(4, (), done)
    full = [wish(0, (private, running(3, 500)), 0.0) for _ in range(50)]

    assert full[-1] == 4, "a spike of three instances' work was four minutes ago, and six would be kept for the next"


def test_a_price_of_nothing_changes_nothing() -> None:
    free = LONG.model_copy(update={"waiting_price_per_hour": 0.0})
    ours, theirs = Watch(free), Watch()

    assert [ours.wish(n * 7) for n in range(40)] == [theirs.wish(n * 7) for n in range(40)]


def test_irregular_ticks_are_the_same_load() -> None:
    """Sixty requests in 10 s are the same whether the loop looked once or twice."""
    options = LONG.model_copy(update={"deadline_seconds": 30.0})
    twice, once = Watch(options), Watch(options)
    twice.wish(0)
    once.wish(0)
    for number in range(1, 21):
        wish = twice.wish(0, (running(3, 500),), done=30)
        if number % 2 == 0:
            once.at = twice.at - 5.0
            half = once.wish(0, (running(3, 500),), done=60)

    assert half == wish == 6, "twice the three that are at work"


@pytest.mark.parametrize(("least", "most"), [(0, 0), (3, 3), (2, 5)])
def test_r2_bounds_hold_when_nothing_waits_and_when_everything_does(least: int, most: int) -> None:
    watch = Watch(LONG.model_copy(update={"min_instances": least, "max_instances": most}))
    empty = [watch.wish(0) for _ in range(5)]
    full = [watch.wish(100_000) for _ in range(30)]

    assert set(empty) == {least}
    assert max(full) == most


@pytest.mark.parametrize(
    ("depth", "fleet", "busy", "words"),
    [
        (0, (), 0, "nothing waits, 0 instances: all are at work"),
        (0, (running(2, 10),), 0, "nothing waits, 2 instances: 2 idle, but paid for"),
        (0, (running(3, 500),), 1, "nothing waits, 3 instances: 2 idle and paid for no longer"),
        (3, (running(3, 500),), 3, "depth 3, the oldest for 5 s, 3 instances: all are at work"),
    ],
)
def test_it_says_why(depth: int, fleet: tuple[Cohort, ...], busy: int, words: str) -> None:
    watch = Watch()
    for _ in range(30):
        watch.wish(0)
    watch.wish(depth, fleet, busy=busy)
    observation = watch.see(depth, fleet, busy=busy)
    watch.policy.desired(observation)

    assert watch.policy.explain(observation) == words


def test_it_says_why_it_waits_and_why_it_launches() -> None:
    watch = Watch()
    said = [watch.policy.explain(seen) for n in range(1, 15) if watch.policy.desired(seen := watch.see(n)) >= 0]

    assert said[3] == "depth 4, the oldest for 15 s, 0 instances: 1 more are needed, but may still wait"
    assert said[-1].endswith("1 more are needed, and later it would take more")


OBSERVED = st.tuples(
    st.integers(0, 5000), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.floats(0, 1e5)
)


@settings(deadline=None)
@given(
    st.lists(OBSERVED, max_size=25),
    st.sampled_from([0.1, 5.0, 30.0, 120.0, 100_000.0]),
    st.sampled_from([0.5, 0.99, 0.9999]),
    st.sampled_from([0.0, 0.01, 100.0]),
    st.lists(
        st.sampled_from(
            [
                PUBLIC,
                replace(PUBLIC, price_per_hour=0.0, room=0),
                replace(PUBLIC, service_seconds=200.0),
                replace(PUBLIC, boot_seconds=90.0, slow_boot_seconds=0.0),
                replace(PUBLIC, boot_seconds=0.0, slow_boot_seconds=600.0),
            ]
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([0.5, 5.0, 60.0]),
)
def test_whatever_is_seen_it_stays_within_its_bounds_and_says_the_same_of_the_same(
    seen: list[tuple[int, int, int, int, float]],
    deadline: float,
    attainment: float,
    price: float,
    pools: list[Prospect],
    tick_seconds: float,
) -> None:
    options = ScalingOptions(
        policy="deadline",
        deadline_seconds=deadline,
        attainment=attainment,
        waiting_price_per_hour=price,
        min_instances=1,
        max_instances=40,
        tick_seconds=tick_seconds,
    )
    watch, twin = Watch(options), Deadline(options)
    for number, (depth, boots, runs, busy, age) in enumerate(seen):
        watch.pool = pools[number % len(pools)]
        watch.at += age % 97
        fleet = (Cohort("public", boots, min(age, 60.0), booting=True), Cohort("gone", runs, age, booting=False))
        observation = watch.see(depth, fleet, done=busy, busy=busy)
        wish = watch.policy.desired(observation)

        assert 1 <= wish <= 40
        assert twin.desired(observation) == wish
        assert watch.policy.explain(observation)


def test_it_does_without_knowing_any_pool() -> None:
    assert Deadline(LONG).desired(Observation(5, (5,), running=1)) in {0, 1}

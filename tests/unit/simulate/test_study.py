"""Scenarios from the command line's words, policies by name, and rows of what came of them."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from burstlens.errors import Misconfigured
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.placement import fill_order
from burstlens.simulate.bounds import bound
from burstlens.simulate.comparison import compare, sweep
from burstlens.simulate.oracle import Bound
from burstlens.simulate.outcome import Timeline
from burstlens.simulate.peers.grid import GRID
from burstlens.simulate.results import plain_bound
from burstlens.simulate.row import best, thinned
from burstlens.simulate.standard import steady_world, varied
from burstlens.simulate.study import Engine, Scenario, rows, run_one
from burstlens.simulate.table import money, row_table, share, short, times
from burstlens.simulate.trial import trials
from burstlens.simulate.workloads import arrivals_from
from support.rows import row

OPTIONS = ScalingOptions()
BURST = Scenario("burst", arrivals_from("burst:60", 0), steady_world(), OPTIONS, Engine.FLUID)


def test_arrivals_are_written_as_one_word_and_joined_by_a_plus() -> None:
    assert arrivals_from("burst:3", 0).tolist() == [0, 0, 0]
    assert arrivals_from("burst:2:60+burst:1", 0).tolist() == [0, 60, 60]
    assert 5000 < len(arrivals_from("poisson:6:1000", 0)) < 7000
    assert 0 < len(arrivals_from("ramp:0:2:100", 1)) < 200
    assert len(arrivals_from("diurnal:1:1000:2", 1)) > 0
    assert arrivals_from("on-off:1:10:90:200", 1)[-1] < 110


def test_the_same_seed_gives_the_same_arrivals_and_another_one_others() -> None:
    first, again, other = (arrivals_from("poisson:1:100", seed) for seed in (1, 1, 2))

    assert first.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("brust:100", "there is no 'brust'; use one of burst:COUNT[:AT], poisson:RATE:SECONDS"),
        ("burst", "burst is written burst:COUNT[:AT]"),
        ("burst:many", "burst is written burst:COUNT[:AT]"),
        ("burst:-5", "must be 0 or more, not -5"),
        ("poisson:6", "poisson is written poisson:RATE:SECONDS"),
        ("poisson:1e9:1e9", "more than 50,000,000 requests"),
        ("burst:nan", "more than 50,000,000 requests"),
        ("burst:1+", "there is no ''"),
    ],
)
def test_arrivals_that_cannot_be_say_how_they_are_written(text: str, says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        arrivals_from(text, 0)

    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("kedda", "there is no policy 'kedda'; did you mean keda?"),
        ("deadlin", "there is no policy 'deadlin'; did you mean deadline?"),
        ("keda:q6-s0-c30-p5", "there is no setting of keda 'q6-s0-c30-p5'; did you mean q"),
        ("zzz", "there is no policy 'zzz'; use one of dask, deadline"),
        ("kedda:default", "there is no policy 'kedda'; did you mean keda?"),
        ("no_such_fleet:Night", "no_such_fleet:Night cannot be imported"),
    ],
)
def test_an_unknown_policy_names_the_nearest_right_ones(name: str, says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        trials(name, OPTIONS)

    assert says in str(caught.value)


@pytest.mark.parametrize("module", ["shipping", "kedas", "harbours.night"])
def test_a_policy_of_ones_own_is_tried_whatever_its_module_is_called(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(exist_ok=True)
    path.write_text("class Night:\n    def __init__(self, options): pass\n    def desired(self, seen): return 0\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert [each.name for each in trials(f"{module}:Night", OPTIONS)] == [f"{module}:Night"]


def test_a_bare_peer_is_its_whole_grid_and_its_default_is_one() -> None:
    assert len(trials("keda", OPTIONS)) == len(GRID["keda"]) > 1
    assert [each.name for each in trials("keda:default", OPTIONS)] == [GRID["keda"][0].name]
    assert [each.name for each in trials("queue-ratio", OPTIONS)] == ["queue-ratio"]


def test_every_setting_of_every_peer_can_be_asked_for_by_name() -> None:
    for peers in GRID.values():
        for peer in peers:
            assert [each.name for each in trials(peer.name, OPTIONS)] == [peer.name]


def test_a_peers_row_is_its_cheapest_setting_that_is_in_time() -> None:
    comparison = compare(BURST, "keda,queue-ratio")
    tried = [
        row(policy="keda", setting=trial.setting, money=cost, attainment=met)
        for trial, cost, met in zip(comparison.families["keda"], (3.0, 1.0, 2.0), (1.0, 0.5, 1.0), strict=False)
    ]

    answer = comparison.answer(tried)

    assert [(each.policy, each.money) for each in answer] == [("keda", 2.0)]
    assert best([row(money=1.0, attainment=0.2), row(money=9.0, attainment=0.5)], 0.99).money == 9.0


def test_nothing_is_simulated_twice() -> None:
    comparison = replace(compare(BURST, "keda,keda:default,queue-ratio"), others=sweep(BURST))

    names = [trial.name for _, trial in comparison.runs]

    assert len(names) == len(set(names))
    assert names[: len(GRID["keda"])] == [peer.name for peer in GRID["keda"]]


def test_a_policy_of_production_and_a_peer_run_by_name() -> None:
    own, peer = run_one(BURST, "queue-ratio"), run_one(BURST, "keda:default")

    assert own.requests == peer.requests == 60
    assert own.peak > peer.peak


def test_rows_come_with_their_index() -> None:
    runs = compare(BURST, "queue-ratio,keda:default").runs

    done = dict(rows(runs))

    assert [done[index].name for index in (0, 1)] == ["queue-ratio", GRID["keda"][0].name]
    assert done[0].billed_seconds > 0


def test_a_trials_changes_reach_the_policy() -> None:
    (_, trial), *_ = compare(BURST, "queue-ratio").runs
    capped = replace(trial, changes={"max_instances": 2})

    ((_, whole),), ((_, few),) = (list(rows([(BURST, each)])) for each in (trial, capped))

    assert (whole.peak, few.peak) == (19, 2)


def test_a_thin_timeline_keeps_arrivals_peaks_and_the_bill() -> None:
    count = 5000
    rising = np.arange(count, dtype=np.float64)
    spike = np.zeros(count)
    spike[1234] = 77.0
    whole = Timeline(rising * 5, np.ones(count), spike, {"public": spike}, rising)

    thin = thinned(whole, 600)

    assert len(thin.at) <= 600
    assert thin.arrivals.sum() == count
    assert thin.backlog.max() == thin.instances["public"].max() == 77.0
    assert thin.money[-1] == count - 1


def test_a_varied_world_differs_where_real_ones_do() -> None:
    world = varied(steady_world(private=4), seed=3)

    assert {each.boot.least_seconds for each in world.pools} == {30.0}
    assert {each.boot.most_seconds for each in world.pools} == {90.0}
    assert all(each.boot.sigma and each.service.sigma and each.capacity_error_share == 0.05 for each in world.pools)
    assert (world.list_lag_seconds > 0, world.seed) == (True, 3)


def test_ones_own_cloud_is_filled_first_whatever_it_costs() -> None:
    pools = [each.pool for each in steady_world(private=4, private_price_per_hour=9.0).pools]

    assert [pool.name for pool in fill_order(pools, {})] == ["private", "public"]


def test_the_table_marks_what_misses_the_deadline_with_a_sign() -> None:
    table = row_table([row(policy="good", attainment=0.995), row(policy="bad", attainment=0.5)], 0.99, None)

    marks = [str(cell) for cell in table.columns[6].cells]
    assert ["✗" in each for each in marks] == [False, True]


def test_a_share_is_never_rounded_up_to_the_whole() -> None:
    assert (share(0.99999), share(1.0), share(0.99)) == ("99.99 %", "100.00 %", "99.00 %")


def test_amounts_and_seconds_keep_digits_that_matter() -> None:
    assert [money(value) for value in (0.00123, 0.5, 12.0, 123456.0)] == ["0.00123", "0.5000", "12.000", "123,456"]
    assert [short(value) for value in (0.5123, 49.53, 1234.5)] == ["0.512", "49.5", "1,234"]


def test_the_ratio_to_the_bound_is_of_money_where_there_is_any() -> None:
    some = row(money=3.0, billed_seconds=100.0)

    assert times(some, Bound(True, 80.0, 2.0, "optimal", 0.0)) == "1.50"
    assert times(some, Bound(True, 80.0, 0.0, "optimal", 0.0)) == "1.25"


def test_there_is_no_ratio_to_a_bound_that_is_none() -> None:
    impossible = Bound(False, math.inf, math.inf, "too short", 0.0)

    assert [times(row(), each) for each in (None, impossible, Bound(True, 0.0, 0.0, "optimal", 0.0))] == ["–"] * 3
    assert plain_bound(impossible) == {"feasible": False, "status": "too short"}


def test_the_bound_of_a_burst_is_its_work_and_one_boot() -> None:
    assert bound(replace(BURST, options=ScalingOptions(deadline_seconds=120))).billed_seconds == pytest.approx(75, 0.01)


def test_varied_boots_are_bounded_by_the_shortest() -> None:
    shortest = bound(replace(BURST, world=varied(BURST.world)))
    assert shortest.money < bound(BURST).money

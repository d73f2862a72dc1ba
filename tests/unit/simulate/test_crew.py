"""Who serves what and when, to the second."""

from math import isnan, nan

import pytest

from burstlens.simulate.crew import Crew
from burstlens.simulate.machine import Machine
from burstlens.simulate.site import Site
from support.simulated import crew_of


def launch(site: Site, at: float) -> Machine:
    return site.launch("public", f"app-tier-{len(site.present) + 1}", "fleet", at)


def answers(crew: Crew, arrivals: list[float]) -> list[float]:
    """When each request was answered."""
    return [arrived + latency for arrived, latency in zip(arrivals, crew.latencies, strict=True)]


def test_requests_are_served_in_the_order_of_arrival_one_at_a_time_on_each_machine() -> None:
    arrivals = [0.0, 0.0, 1.0, 100.0]
    site, crew = crew_of(arrivals)
    launch(site, 0.0)
    launch(site, 0.0)
    crew.serve(200.0)

    assert answers(crew, arrivals) == [10.0, 10.0, 20.0, 110.0]


def test_a_machine_that_becomes_ready_begins_at_that_moment() -> None:
    arrivals = [0.0, 0.0]
    site, crew = crew_of(arrivals, boot=45.0)
    launch(site, 5.0)
    crew.serve(50.0)
    crew.serve(100.0)

    assert answers(crew, arrivals) == [60.0, 70.0]


def test_what_waits_and_what_is_worked_on_are_counted_apart() -> None:
    site, crew = crew_of([0.0, 1.0, 2.0, 20.0])
    launch(site, 0.0)
    crew.serve(5.0)
    assert (crew.waiting, crew.working()) == (2, 1)

    crew.serve(20.0)
    assert (crew.waiting, crew.working()) == (0, 1), "what comes at this moment is not there yet"


def test_a_drained_machine_takes_nothing_more() -> None:
    arrivals = [0.0, 1.0]
    site, crew = crew_of(arrivals)
    drained = launch(site, 0.0)
    crew.serve(5.0)
    drained.drain(5.0)
    site.changes += 1
    crew.serve(30.0)

    assert crew.latencies == [10.0, pytest.approx(nan, nan_ok=True)]
    assert (crew.waiting, crew.working()) == (1, 0)


def test_a_machine_that_is_drained_while_it_is_idle_takes_nothing_that_comes_later() -> None:
    site, crew = crew_of([0.0, 1.0, 2.5], service=1.0)
    drained = launch(site, 0.0)
    crew.serve(2.0)
    drained.drain(2.0)
    site.changes += 1
    crew.serve(10.0)

    assert crew.latencies[:2] == [1.0, 1.0]
    assert crew.waiting == 1


def test_a_terminated_machine_gives_its_request_back_to_be_served_first() -> None:
    arrivals = [0.0, 1.0, 2.0]
    site, crew = crew_of(arrivals)
    lost = launch(site, 0.0)
    crew.serve(5.0)
    lost.terminate(5.0)
    site.changes += 1
    site.forget(5.0)
    launch(site, 5.0)
    crew.serve(100.0)

    assert answers(crew, arrivals) == [15.0, 25.0, 35.0]
    assert crew.waiting == 0


def test_what_two_machines_give_back_keeps_its_order_and_counts_as_waiting() -> None:
    arrivals = [0.0, 1.0, 2.0]
    site, crew = crew_of(arrivals)
    first, second = launch(site, 0.0), launch(site, 0.0)
    crew.serve(5.0)
    second.terminate(5.0)
    site.changes += 1
    crew.serve(6.0)
    assert (crew.waiting, crew.working()) == (2, 1)

    first.terminate(6.0)
    site.changes += 1
    crew.serve(7.0)
    assert (crew.waiting, crew.working()) == (3, 0)
    assert all(map(isnan, crew.latencies))

    launch(site, 7.0)
    crew.serve(100.0)
    assert answers(crew, arrivals) == [17.0, 27.0, 37.0]
    assert crew.waiting == 0


@pytest.mark.parametrize("stops", [[5.0, 100.0], [100.0]])
def test_r14_what_an_interrupted_machine_cannot_finish_is_given_back_when_its_notice_ends(stops: list[float]) -> None:
    arrivals = [0.0, 0.0, 3.0, 4.0]
    site, crew = crew_of(arrivals)
    launch(site, 0.0).interrupt(noticed_at=4.0, notice_seconds=2.0)
    launch(site, 0.0)
    for stop in stops:
        crew.serve(stop)

    assert answers(crew, arrivals) == [20.0, 10.0, 30.0, 40.0], "the first one again, from 10 s on, before the others"


def test_r14_what_is_given_back_begins_again_no_sooner_than_that() -> None:
    arrivals = [0.0]
    site, crew = crew_of(arrivals)
    launch(site, 0.0).interrupt(noticed_at=4.0, notice_seconds=2.0)
    launch(site, 0.0)
    crew.serve(100.0)

    assert answers(crew, arrivals) == [16.0], "the idle one takes it at 6 s"


def test_r14_what_is_given_back_at_the_moment_of_a_look_is_taken_at_that_moment() -> None:
    site, crew = crew_of([0.0])
    launch(site, 0.0).interrupt(noticed_at=4.0, notice_seconds=2.0)
    launch(site, 0.0)
    crew.serve(6.0)

    assert (crew.waiting, crew.working()) == (0, 1)
    assert crew.latencies == [16.0]


def test_r14_a_later_request_is_given_back_as_the_first_one_is() -> None:
    site, crew = crew_of([0.0, 0.0, 0.0], service=1.5)
    launch(site, 0.0).interrupt(noticed_at=4.0, notice_seconds=0.25)
    crew.serve(100.0)

    assert crew.latencies == [1.5, 3.0, pytest.approx(nan, nan_ok=True)]
    assert crew.waiting == 1


def test_r14_what_an_interrupted_machine_can_finish_it_finishes() -> None:
    arrivals = [0.0, 5.0]
    site, crew = crew_of(arrivals)
    spot = launch(site, 0.0)
    spot.interrupt(noticed_at=4.0, notice_seconds=120.0)
    crew.serve(20.0)

    assert crew.latencies[0] == 10.0
    assert spot.ended_at == 10.0
    assert crew.waiting == 1, "it takes nothing after the notice"

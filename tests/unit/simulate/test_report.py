"""The report: a page that anybody can read, anywhere, with what was found in words and pictures."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from burstlens.scaling.options import ScalingOptions
from burstlens.simulate.pareto import DEADLINE, WAITING, Sweep, curve_trials, pareto_plot
from burstlens.simulate.picture import FAINT, INK, PALETTE, look
from burstlens.simulate.report import Study, page, pareto_words, verdict
from support.rows import row, study

FETCHING = {"src", "srcset", "data", "poster", "action", "formaction"}
"""Attributes whose value a browser fetches; of `href`, see `Links`."""


class Links(HTMLParser):
    """What a page would fetch or link to, its tags, and the text that stands for its pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.tags: list[str] = []
        self.labels: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in FETCHING or name.endswith("href"):
                self.targets.append(value or "")
            if name == "aria-label":
                self.labels.append(value or "")


@pytest.fixture(scope="module")
def full() -> Study:
    """A study with everything in it: two pools, a sweep with both curves, a policy that misses."""
    sweep = [
        *(
            row(setting=trial.setting, money=1.0 + number / 10, mean_seconds=20.0 / (1 + number))
            for number, trial in enumerate(curve_trials(ScalingOptions(), 0.085))
        ),
        row(policy="keda", setting="q5", money=2.0, mean_seconds=30.0),
        row(policy="keda", setting="q1", money=9.0, mean_seconds=0.1),
        row(policy="keda", setting="q60", money=0.5, mean_seconds=300.0, attainment=0.2),
    ]
    return study([row(private=2), row(policy="keda", setting="q5", money=2.0, attainment=0.5)], sweep, boot="45 s")


@pytest.fixture(scope="module")
def html(full: Study) -> str:
    return page(full)


def test_the_page_needs_nothing_from_elsewhere(html: str) -> None:
    links = Links(html)

    assert set(links.targets) == {"results.csv", "results.json"} | {each for each in links.targets if each[0] == "#"}
    assert not re.search(r"https?://|url\((?!#)|@import", html)


def test_the_page_runs_no_script(html: str) -> None:
    assert not {"script", "iframe", "object", "embed"} & set(Links(html).tags)


def test_the_content_policy_of_the_page_forbids_all_but_its_own_style(html: str) -> None:
    assert "default-src 'none'; style-src 'unsafe-inline'" in html


def test_each_plot_has_a_sentence_under_it_that_is_its_alternative_text(html: str) -> None:
    links = Links(html)

    captions = re.findall(r"<figcaption>(.*?)</figcaption>", html)
    assert links.tags.count("svg") == len(captions) == len(links.labels) == 6
    for caption, label in zip(captions, links.labels, strict=True):
        assert caption
        assert label.endswith(caption)


def test_plots_take_ink_from_the_page_so_that_they_can_be_read_on_dark_and_light_ones(html: str) -> None:
    assert "prefers-color-scheme: dark" in html
    assert "currentColor" in html
    assert INK not in html
    assert FAINT not in html


def test_every_axis_of_a_plot_is_labelled_with_its_unit(html: str) -> None:
    for label in (
        *("requests per second", "minutes since the start", "requests not yet answered", "instances"),
        *("billed so far, money", "seconds from arrival to answer (logarithmic)", "share of all requests, %"),
        *("mean latency, seconds (logarithmic)", "99th percentile of the latency, seconds (logarithmic)"),
    ):
        assert f">{label}</text>" in html


def test_both_pools_and_every_policy_are_in_the_legends(html: str) -> None:
    for name in ("private", "public", "deadline", "keda:q5", f"deadline, by {WAITING}", f"deadline, by {DEADLINE}"):
        assert f">{name}</text>" in html


def test_no_two_of_many_curves_look_the_same() -> None:
    assert len({look(index) for index in range(28)}) == 28
    assert len(set(PALETTE)) == len(PALETTE)


def test_names_from_outside_are_text_and_never_markup() -> None:
    hostile = replace(study([row(policy="<b>&")], title="<script>alert(1)</script>"), asked={"<i>": '"x"'})
    made = page(hostile)

    assert not {"script", "b", "i"} & set(Links(made).tags)
    assert "&lt;script&gt;" in made


def test_the_verdict_names_the_cheapest_that_is_in_time_and_the_next() -> None:
    rows = [row(money=2.0, billed_seconds=200), row("keda", "q5", 1.0, 100, 0.5), row("seed", "", 3.0, 300)]

    assert verdict(study(rows)) == (
        "deadline is the cheapest that answers 99 % within 30 s: it bills 200 s; the next, seed, bills 300 s."
    )
    assert "no other policy here is in time" in verdict(study(rows[:2]))


def test_the_verdict_says_when_nobody_is_in_time_and_who_comes_closest() -> None:
    rows = [row("keda", attainment=0.5), row("seed", attainment=0.98)]

    assert verdict(study(rows)) == "None of these policies answers 99 % within 30 s. seed comes closest: 98.00 %."
    assert "A boot takes 45 s: only instances that are there already" in verdict(study(rows, boot_seconds=45.0))


def test_what_misses_the_deadline_is_marked_in_the_table(html: str) -> None:
    assert '<span class="missed">50.00 % ✗</span>' in html


def test_the_pareto_words_count_what_the_curves_beat(full: Study) -> None:
    assert [each.name for each in full.sweep.undominated(0.99)] == ["keda:q1", "keda:q60"]
    assert "For 1 of the 3 other settings, some point of the curves is at once as cheap" in pareto_words(full)


def test_a_point_that_misses_the_deadline_beats_only_settings_that_miss_it_too() -> None:
    late = row(setting=f"{DEADLINE} 240 s", money=1.0, mean_seconds=5.0, attainment=0.4)
    in_time, out_of_time = (
        row("keda", name, 2.0, mean_seconds=9.0, attainment=met) for name, met in (("a", 1), ("b", 0))
    )

    assert Sweep([late, in_time, out_of_time]).undominated(0.99) == [in_time]


def test_a_point_of_a_curve_that_misses_the_deadline_is_hollow() -> None:
    def markers(attainment: float) -> int:
        """How many are drawn: a curve's own, hollow, and another on each point that is in time."""
        points = [row(setting=f"{DEADLINE} {each} s", attainment=attainment, money=each) for each in (30, 60)]
        return pareto_plot(Sweep(points), 0.99, None).count("<use ")

    assert markers(1.0) == markers(0.5) + 4, "two in each panel"


def test_the_curves_follow_their_dials() -> None:
    trials = curve_trials(ScalingOptions(), 0.085)
    shuffled = Sweep([row(setting=trial.setting) for trial in reversed(trials)])

    in_order = [each.setting for dial in (WAITING, DEADLINE) for each in shuffled.curves[dial]]
    assert in_order == [trial.setting for trial in trials]
    prices = [trial.changes["waiting_price_per_hour"] for trial in trials if "waiting_price_per_hour" in trial.changes]
    assert prices[0] == 0
    assert isinstance(prices[1], float)
    assert isinstance(prices[-1], float)
    assert prices[-1] / prices[1] >= 1000


def test_a_study_without_a_sweep_has_no_pareto_picture() -> None:
    made = page(study([row()]))

    assert "What waiting costs" not in made
    assert "<details>" not in made


def test_a_run_of_a_single_moment_can_be_drawn() -> None:
    assert page(study([row(money=0.0, mean_seconds=0.0, peak=0)])).count("<svg") == 5

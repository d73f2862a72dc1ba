"""The terminal chart."""

from hypothesis import given
from hypothesis import strategies as st

from burstlens.workload.chart import BLOCKS, timeline


def test_a_ramp_is_drawn_to_scale() -> None:
    chart = timeline({"queue depth": [(second, second) for second in range(17)]}, width=21, height=2)
    assert chart == "\n".join(
        [
            "    queue depth",
            "16 ┤         ▁▂▃▄▅▆▇█",
            "   │ ▁▂▃▄▅▆▇█████████",
            " 0 ┼─────────────────",
            "    0 s   8 s    16 s",
        ]
    )


def test_a_value_holds_until_the_next_sample_and_zero_is_empty() -> None:
    chart = timeline({"instances": [(0, 0), (4, 2), (6, 0), (8, 0)]}, width=11, height=1)
    assert chart.splitlines()[1].removeprefix("2 ┤") == "    ██"


def test_each_series_has_its_own_scale_above_one_time_axis() -> None:
    lines = timeline({"queue depth": [(0, 100), (10, 0)], "instances": [(5, 2), (10, 2)]}, 60, 3).splitlines()
    assert len(lines) == 2 * (1 + 3 + 1) + 1
    assert lines[1].startswith("100 ┤█")
    assert lines[6].startswith("  2 ┤")
    assert lines[6].count("█") == 28  # it begins in the middle
    assert lines[-1].split() == ["0", "s", "5", "s", "10", "s"]


def test_one_short_peak_among_many_samples_is_not_lost() -> None:
    samples = [(second / 10, 50.0 if second == 431 else 0.0) for second in range(1000)]
    assert "█" in timeline({"depth": samples}, width=40, height=2)


def test_little_is_not_nothing() -> None:
    assert "▁" in timeline({"depth": [(0, 1000), (1, 1), (2, 1)]}, width=40, height=1)


def test_without_samples_there_is_nothing_to_draw() -> None:
    assert timeline({}) == ""
    assert timeline({"depth": []}) == ""


samples = st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=30).map(sorted)


@given(
    st.dictionaries(st.sampled_from(["queue depth", "instances", "x" * 90]), samples),
    st.integers(16, 120),
    st.integers(1, 8),
)
def test_no_line_is_wider_than_asked_for_and_every_panel_is_as_high(
    series: dict[str, list[tuple[float, float]]], width: int, height: int
) -> None:
    lines = timeline(series, width, height).splitlines()
    panels = sum(1 for values in series.values() if values)
    assert all(len(line) <= width for line in lines)
    assert len(lines) == (panels * (height + 2) + 1 if panels else 0)
    assert set("".join(line for line in lines if "┤" in line)) <= set(BLOCKS + "┤0123456789.")

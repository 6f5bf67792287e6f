"""The bench's own sums: a wrong one would praise or blame the wrong code."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest
from bench.report import Verdict, as_json, as_markdown, summary, table
from bench.rounds import Rounds, Sample, take_turns
from bench.statistics import part_medians, percentile, rates, reached, slope, trend


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (0.01, 1), (0.0, 1), (1.0, 100)]
)
def test_a_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    assert percentile(range(100, 0, -1), share) == expected


def test_a_percentile_of_one_figure_is_that_figure() -> None:
    assert percentile([7.0], 0.99) == 7.0


def test_a_count_is_reached_on_the_line_between_two_looks() -> None:
    curve = [(0.0, 0.0), (2.0, 100.0), (3.0, 100.0), (4.0, 300.0)]
    assert [reached(curve, count) for count in (0, 50, 100, 200, 300)] == [0.0, 1.0, 2.0, 3.5, 4.0]
    with pytest.raises(ValueError, match="301 was not reached: it ended at 300"):
        reached(curve, 301)


def test_rates_are_of_equal_parts_of_the_count_and_not_of_the_time() -> None:
    """Half of the events in one second, the other half in three."""
    assert rates([(10.0, 0.0), (11.0, 600.0), (14.0, 1200.0)], 2) == [600.0, 200.0]
    assert rates([(0.0, 100.0), (4.0, 500.0)], 4) == [100.0] * 4


def test_part_medians_go_by_the_count_and_let_no_outlier_speak_for_a_part() -> None:
    looks = [(0, 10.0), (10, 90.0), (20, 11.0), (50, 20.0), (99, 22.0), (100, 24.0)]
    assert part_medians(looks, 100, 2) == [11.0, 22.0]
    with pytest.raises(ValueError, match="nobody looked in part 2"):
        part_medians(looks, 100, 4)


def test_a_slope_is_the_rise_of_a_unit() -> None:
    assert slope([(0, 5.0), (10, 6.0), (20, 7.0)]) == pytest.approx(0.1)
    assert slope([(0, 5.0), (10, 5.0), (20, 5.0)]) == pytest.approx(0.0)


def test_a_trend_hears_all_figures_and_not_only_the_ends() -> None:
    assert trend([100.0, 95.0, 90.0]) == pytest.approx((100.0, 90.0))
    # A quick beginning and a slow end, and no slope in between.
    first, last = trend([110.0, *[100.0, 102.0, 98.0, 100.0] * 2, 90.0])
    assert last / first > 0.9 > 90 / 110
    # A slope that two lucky ends would hide.
    first, last = trend([80.0, 100.0, 95.0, 85.0, 80.0, 70.0, 65.0, 60.0, 55.0, 80.0])
    assert last / first < 0.9 < 80 / 80


def _rounds(ours: Sequence[float], baseline: Sequence[float]) -> Rounds:
    return Rounds({"ours": [*map(Sample, ours)], "base": [*map(Sample, baseline)]}, 1.0)


def test_a_ratio_is_the_middle_of_the_rounds_own_so_that_a_slow_round_is_slow_for_both() -> None:
    """By the medians it would be 100 to 100; each single round says a half."""
    rounds = _rounds([100, 50, 10], [200, 100, 20])
    assert rounds.ratio("ours", "base") == 0.5
    assert (rounds.median("ours"), rounds.median("base")) == (50, 100)


def test_losses_add_up_per_contender_and_stay_unknown_where_nobody_counted() -> None:
    rounds = Rounds(
        {"ours": [Sample(1, 0, 2), Sample(1, 3, 1)], "some": [Sample(1), Sample(1, 4)], "none": [Sample(1)]},
        1,
    )
    assert [(rounds.lost(name), rounds.duplicated(name)) for name in rounds.samples] == [
        (3, 3),
        (4, None),
        (None, None),
    ]


async def test_contenders_take_turns_and_each_begins_a_round() -> None:
    order: list[str] = []

    async def run(name: str) -> Sample:
        order.append(name)
        return Sample(len(order))

    rounds = await take_turns({name: partial(run, name) for name in "abc"}, 3)
    assert "".join(order) == "abcbcacab"
    assert rounds.raw == {"a": [1, 6, 8], "b": [2, 4, 9], "c": [3, 5, 7]}


_VERDICT = Verdict(measure="m", unit="s", ours=1.0, ratio=0.5, target="≥ 1 x", met=False, lost=1)


def test_a_missed_target_is_named_and_one_without_target_does_not_count() -> None:
    verdicts = [_VERDICT, replace(_VERDICT, met=True), replace(_VERDICT, met=None)]
    assert summary(verdicts) == "1 of 2 targets met.\nNOT met: m (≥ 1 x)."
    assert summary(verdicts[1:]) == "1 of 1 targets met."


def test_what_is_lost_is_shown_in_every_form_and_what_is_unknown_is_not_called_zero() -> None:
    content = json.loads(as_json([_VERDICT], {"load": "0"}))
    assert (content["verdicts"][0]["lost"], content["verdicts"][0]["duplicated"]) == (1, None)
    for form in (table([_VERDICT]), as_markdown([_VERDICT], {})):
        assert "1/?" in form
        assert "NO" in form

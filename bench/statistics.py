"""The bench's arithmetic, without clocks or servers."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from statistics import linear_regression, median

#: (seconds, count so far), in order of time.
Curve = Sequence[tuple[float, float]]


def percentile(figures: Sequence[float], share: float) -> float:
    """The smallest figure that at least `share` of all do not exceed (nearest rank)."""
    ordered = sorted(figures)
    rank = max(1, -(-len(ordered) * share // 1))
    return ordered[min(int(rank), len(ordered)) - 1]


def reached(curve: Curve, count: float) -> float:
    """When a count was reached, on the line between the two looks around it; `ValueError` when it was not."""
    place = bisect_left([so_far for _, so_far in curve], count)
    if place == len(curve):
        raise ValueError(f"{count:g} was not reached: it ended at {curve[-1][1]:g}")
    if place == 0:
        return curve[0][0]
    (before, low), (after, high) = curve[place - 1], curve[place]
    return before + (after - before) * (count - low) / (high - low)


def rates(curve: Curve, parts: int) -> list[float]:
    """How much a second in each of `parts` equal parts of what was counted."""
    first, last = curve[0][1], curve[-1][1]
    marks = [first + (last - first) * part / parts for part in range(parts + 1)]
    moments = [reached(curve, mark) for mark in marks]
    return [(last - first) / parts / (end - begin) for begin, end in pairwise(moments)]


def part_medians(curve: Curve, total: float, parts: int) -> list[float]:
    """The middle figure of each of `parts` equal parts of a total; `curve` is (count so far, figure).

    Raises `ValueError` for a part in which nobody looked.
    """
    found: list[list[float]] = [[] for _ in range(parts)]
    for count, figure in curve:
        found[min(int(count * parts / total), parts - 1)].append(figure)
    if not all(found):
        raise ValueError(f"nobody looked in part {next(i for i, part in enumerate(found) if not part) + 1}")
    return [median(part) for part in found]


def trend(figures: Sequence[float]) -> tuple[float, float]:
    """The first and the last figure as the straight line through all of them gives them (least squares).

    One figure swings; the line uses all of them.
    """
    line = linear_regression(range(len(figures)), figures)
    return line.intercept, line.intercept + line.slope * (len(figures) - 1)


def slope(curve: Curve) -> float:
    """By how much the second figure rises with each unit of the first (least squares)."""
    return linear_regression(*zip(*curve, strict=True)).slope

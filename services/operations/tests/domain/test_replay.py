"""When a replay stops itself, and at which rates it may go (F40)."""

import pytest

from threadly_operations.domain.replay import MAX_RATE, Outcome, RateOutOfBounds, StopRule, Terms

F, R = Outcome.FAILED, Outcome.RESOLVED


@pytest.mark.parametrize(
    ("selected", "newest", "is_broken"),
    [
        pytest.param(100, [], False, id="nothing is known"),
        pytest.param(100, [R] * 100, False, id="all went well"),
        pytest.param(100, [F, F] + [R] * 8, False, id="as many as are borne"),
        pytest.param(100, [F, F, F] + [R] * 7, True, id="one more"),
        pytest.param(100, [R, F] * 5, True, id="one more, scattered"),
        pytest.param(100, [F, F, F], True, id="need not wait for a full window"),
        pytest.param(100, [R] * 8 + [F] * 90, False, id="what is behind the window is forgotten"),
        pytest.param(100, [R] * 7 + [F] * 90, True, id="the oldest in the window counts"),
        pytest.param(10, [F] * 3, True, id="as many letters as the window has"),
        pytest.param(9, [F] * 9, False, id="fewer letters than the window are never stopped"),
        pytest.param(100, [Outcome.WITHDRAWN] * 10, False, id="what was not sent has not failed"),
    ],
)
def test_it_stops_when_too_many_of_the_last_failed(
    selected: int, newest: list[Outcome], *, is_broken: bool
) -> None:
    assert StopRule(failures=3, window=10).is_broken(selected, newest) is is_broken


def test_by_default_more_than_a_tenth_of_the_last_fifty_is_too_much() -> None:
    assert not StopRule().is_broken(50, [F] * 5 + [R] * 45)
    assert StopRule().is_broken(50, [F] * 6 + [R] * 44)


@pytest.mark.parametrize("rate", [1, 200, MAX_RATE])
def test_a_rate_within_the_bounds(rate: int) -> None:
    assert Terms(rate).rate == rate


@pytest.mark.parametrize("rate", [-1, 0, MAX_RATE + 1])
def test_a_rate_that_nobody_can_mean(rate: int) -> None:
    with pytest.raises(RateOutOfBounds):
        Terms(rate)

"""How many letters go out at a turn (F40)."""

from datetime import UTC, datetime, timedelta

import pytest

from threadly_operations.domain.pace import BATCH, LOOK_AGAIN, MOST_OUT, Turn, next_turn

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def _s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("late", "rate", "out", "letters", "until_next"),
    [
        pytest.param(None, 200, 0, 1, 0.005, id="the first of all"),
        pytest.param(-0.01, 200, 0, 0, 0.01, id="not due"),
        pytest.param(0, 200, 0, 1, 0.005, id="just due"),
        pytest.param(0.05, 200, 0, 11, 0.005, id="what has become due since"),
        pytest.param(0.052, 200, 0, 11, 0.003, id="the rest of a slot is not lost"),
        pytest.param(0.5, 200, 0, 101, 0.005, id="a stall is made up for"),
        pytest.param(1, 100, 0, 101, 0.01, id="of a second at most"),
        pytest.param(3600, 100, 0, 101, 0.01, id="and no pause"),
        pytest.param(3600, 1, 0, 2, 1, id="nor at the slowest"),
        pytest.param(0.5, 1000, 0, BATCH, -0.3, id="no more than a batch, the rest at the next turn"),
        pytest.param(0.5, 200, MOST_OUT - 3, 3, -0.485, id="no more out than may be"),
    ],
)
def test_a_turn(late: float | None, rate: int, out: int, letters: int, until_next: float) -> None:
    due_at = None if late is None else NOW - _s(late)
    assert next_turn(due_at, NOW, rate, out=out) == Turn(letters, NOW + _s(until_next))


@pytest.mark.parametrize("out", [MOST_OUT, MOST_OUT + 1])
def test_nothing_goes_out_while_too_many_are(out: int) -> None:
    assert next_turn(NOW, NOW, 200, out=out) == Turn(0, NOW + LOOK_AGAIN)


@pytest.mark.parametrize("rate", [1, 3, 200, 1000])
@pytest.mark.parametrize("step", [0.001, 0.05, 0.07, 0.19])
def test_however_often_it_is_asked_the_rate_is_kept(rate: int, step: float) -> None:
    """So it does not matter how many senders ask."""
    due_at, sent, asked = None, 0, 0
    while asked * step <= 20:
        turn = next_turn(due_at, NOW + _s(asked * step), rate, out=0)
        due_at, sent, asked = turn.next_at, sent + turn.letters, asked + 1
    assert sent == pytest.approx(rate * 20, abs=rate * step + 1)


def test_in_no_second_does_more_go_out_than_a_stall_of_a_second_explains() -> None:
    due_at = None
    moments: list[float] = []
    for at in (0.0, 0.3, 0.31, 3.0, 3.05, 3.1, 3.6, 9.0, 9.001, 9.002, *(9.1 + n / 20 for n in range(20))):
        turn = next_turn(due_at, NOW + _s(at), 100, out=0)
        due_at = turn.next_at
        moments += [at] * turn.letters
    assert max(sum(1 for m in moments if begin <= m < begin + 1) for begin in moments) <= 202

"""The history checker finds each kind of broken promise, and only that."""

import re
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from threadly_chassis.testing.history import ConsumerLog, Fact, History, Order

A1, A2, A3, B1 = (
    Fact(UUID(int=number), aggregate, version)
    for number, (aggregate, version) in enumerate((("a", 1), ("a", 2), ("a", 3), ("b", 1)), 1)
)
ALL = (A1, A2, A3, B1)
GOOD = History(
    appended=ALL,
    pending=(),
    # A2 came again after a crash: allowed.
    published=(A1, A2, B1, A2, A3),
    consumers={
        "any": ConsumerLog(applied=(A3, A1, B1, A2), delivered=(A3, A3, A1, B1, A2)),
        # The first version came late and was passed over.
        "rising": ConsumerLog(applied=(A2, B1, A3), order=Order.RISING),
        "outside": ConsumerLog(applied=(A1, A2, A2, A3, B1), exactly_once=False),
    },
)


def _with(name: str, log: ConsumerLog) -> History:
    return replace(GOOD, consumers={**GOOD.consumers, name: log})


def _broken(history: History) -> list[str]:
    return [re.sub(r" \([0-9a-f-]{36}\)", "", str(violation)) for violation in history.violations()]


def test_a_history_that_keeps_its_promises_is_content() -> None:
    GOOD.verify()
    assert GOOD.summary()["repeated"] == 1
    assert GOOD.summary()["any delivered"] == 5


@pytest.mark.parametrize(
    ("history", "said"),
    [
        (_with("any", ConsumerLog(applied=(A1, A2, B1))), ["I1: any lost a version 3"]),
        (_with("rising", ConsumerLog(applied=(A2, A3), order=Order.RISING)), ["I1: rising lost b version 1"]),
        # The newest may be passed over by nothing.
        (
            _with("rising", ConsumerLog(applied=(A1, A2, B1), order=Order.RISING)),
            ["I1: rising lost a version 3"],
        ),
        (_with("any", ConsumerLog(applied=(*ALL, A2))), ["I2: any applied a version 2 2 times"]),
        (
            _with("rising", ConsumerLog(applied=(A3, A2, B1), order=Order.RISING)),
            ["I3: rising applied a version 2 after version 3"],
        ),
        (
            replace(GOOD, published=(A2, A1, A3, B1)),
            ["I3: a version 2 was published before version 1"],
        ),
    ],
    ids=["lost", "lost one aggregate", "lost the newest", "twice", "fell back", "published early"],
)
def test_each_broken_promise_is_named(history: History, said: list[str]) -> None:
    assert _broken(history) == said
    with pytest.raises(AssertionError, match="1 promises broken"):
        history.verify()


@pytest.mark.parametrize("place", ["queue", "wait.5s", "dlq", "parked"])
def test_what_lies_in_an_accounted_place_is_not_lost(place: str) -> None:
    log = ConsumerLog(applied=(A1, A2, B1), places={place: {A3.event_id}})
    _with("any", log).verify()


def test_what_is_pending_is_lost_to_nobody() -> None:
    consumers = {"any": ConsumerLog(applied=(A1, A2, B1))}
    replace(GOOD, pending={A3.event_id}, published=(A1, A2, B1), consumers=consumers).verify()


GHOST = Fact(uuid4(), "a", 4)


@pytest.mark.parametrize(
    "history",
    [
        replace(GOOD, published=(*GOOD.published, GHOST)),
        _with("any", ConsumerLog(applied=(*ALL, GHOST))),
        _with("any", ConsumerLog(applied=ALL, delivered=(*ALL, GHOST))),
        _with("any", ConsumerLog(applied=ALL, places={"dlq": {GHOST.event_id}})),
    ],
    ids=["published", "applied", "delivered", "dead"],
)
def test_an_event_that_was_never_committed_is_a_ghost_wherever_it_is_seen(history: History) -> None:
    assert [violation.invariant for violation in history.violations()] == ["I4"]
    assert str(GHOST.event_id) in history.violations()[0].what


@pytest.mark.parametrize(
    ("history", "said"),
    [
        (_with("any", ConsumerLog(applied=ALL, delivered=(A1, A2, A3))), "any applied"),
        (replace(GOOD, published=(A1, A2, B1)), "any was delivered"),
    ],
    ids=["applied, not delivered", "delivered, not published"],
)
def test_no_event_skips_a_log(history: History, said: str) -> None:
    [violation] = history.violations()
    assert violation.invariant == "I4"
    assert violation.what.startswith(said)


def test_rest_that_comes_too_late_is_a_violation() -> None:
    late = replace(GOOD, lag_seconds=31.0)
    assert _broken(late) == ["I5: at rest 31.0 s after the last fault, 30 s are allowed"]

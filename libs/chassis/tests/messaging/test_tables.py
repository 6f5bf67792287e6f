"""The tables that are refused when they are built, and the ladder."""

from typing import Any

import pytest

from threadly_chassis.messaging import Consumer, EffectConsumer, Gate, Subscriptions
from threadly_chassis.messaging.discards import with_discards
from threadly_chassis.messaging.ladder import Ladder, LadderError
from threadly_chassis.messaging.subscriptions import SubscriptionError
from threadly_chassis.testing.specimen.service import NoteBurnt, NoteWritten
from threadly_contracts import Event


async def _handle(event: object, context: object) -> None:
    raise AssertionError("never called")


def test_a_consumer_named_twice_is_refused() -> None:
    one = Consumer("specimen.one", handlers={NoteWritten: _handle})
    with pytest.raises(SubscriptionError, match="named twice"):
        Subscriptions("specimen", one, EffectConsumer("specimen.one", handlers={NoteBurnt: _handle}))


def test_another_services_consumer_is_refused() -> None:
    with pytest.raises(SubscriptionError, match="does not belong to"):
        Subscriptions("other", Consumer("specimen.one", handlers={NoteWritten: _handle}))


@pytest.mark.parametrize(
    "name", ["", "specimen", "Specimen.one", "specimen.one.two", "specimen." + "x" * 100]
)
def test_a_name_that_is_no_queue_name_is_refused(name: str) -> None:
    with pytest.raises(SubscriptionError, match="is named"):
        Consumer(name, handlers={NoteWritten: _handle})


def test_a_consumer_of_nothing_is_refused() -> None:
    with pytest.raises(SubscriptionError, match="handles nothing"):
        Consumer("specimen.one", handlers={})


def test_two_counters_of_one_kind_of_aggregate_are_refused_by_strict_only() -> None:
    class NoteSold(Event, type="threadly.other.note_sold.v1", aggregate="note", subject="note_id"):
        note_id: str

    handlers: dict[type[Event], Any] = {NoteWritten: _handle, NoteSold: _handle}
    Consumer("specimen.one", gate=Gate.LATEST, handlers=handlers)
    with pytest.raises(SubscriptionError, match="both count versions of note"):
        Consumer("specimen.one", gate=Gate.STRICT, handlers=handlers)


def test_a_table_with_a_strict_reader_hears_of_discards() -> None:
    strict = Subscriptions(
        "specimen", Consumer("specimen.one", gate=Gate.STRICT, handlers={NoteWritten: _handle})
    )
    loose = Subscriptions("specimen", Consumer("specimen.one", handlers={NoteWritten: _handle}))
    assert [consumer.name for consumer in with_discards(strict)] == ["specimen.one", "specimen.discards"]
    assert with_discards(loose) is loose


def test_the_ladder_ends() -> None:
    ladder = Ladder(("5s", "30s", "2m", "10m", "1h"))
    waits = [step.milliseconds for step in ladder.steps]
    assert waits == [5_000, 30_000, 120_000, 600_000, 3_600_000]
    first, last = ladder.after(1), ladder.after(5)
    assert first == ladder.steps[0]
    assert last == ladder.steps[-1]
    assert ladder.after(6) is None


def test_a_wait_is_at_least_half_and_never_over_its_bound() -> None:
    [step] = Ladder(("2s",)).steps
    waits = {step.jittered() for _ in range(2000)}
    assert min(waits) >= 1000
    assert max(waits) <= 2000
    assert len(waits) > 100


@pytest.mark.parametrize("steps", [("30s", "5s"), ("5s", "5s"), ("5",), ("0s",), ("soon",)])
def test_a_ladder_that_does_not_grow_or_read_is_refused(steps: tuple[str, ...]) -> None:
    with pytest.raises(LadderError):
        Ladder(steps)

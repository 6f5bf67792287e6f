"""Kill -9 at the places where it hurts: nothing lost, nothing doubled (eventing §5)."""

from typing import Any

import pytest

from threadly_chassis.outbox.message import to_message
from threadly_chassis.testing import eventually
from threadly_chassis.testing.rows import logged
from threadly_chassis.testing.specimen.harness import Processes, Specimen

pytestmark = pytest.mark.integration

CONSUMERS = ("specimen.every", "specimen.newest", "specimen.outside")


async def _recovered(specimen: Specimen) -> None:
    """I1, I2: every committed event has exactly one effect per consumer, and none is anywhere else."""
    expected = await specimen.appended()

    async def settled() -> bool:
        assert await specimen.pending() == 0
        for consumer in CONSUMERS:
            assert await specimen.depth(consumer) == 0
            assert len(await _event_ids(specimen, consumer)) >= len(expected)
        return True

    await eventually(settled, timeout=30, describe="everything settled")
    for consumer in CONSUMERS:
        ids = await _event_ids(specimen, consumer)
        assert len(ids) == len(set(ids)), f"{consumer} has a double effect"
        assert set(ids) == expected
        assert await specimen.depth(f"{consumer}.dlq") == 0


async def _event_ids(specimen: Specimen, consumer: str) -> list[Any]:
    rows = await specimen.query("select event_id from effect where consumer = :c", c=consumer)
    return [row[0] for row in rows]


async def _write_some(specimen: Specimen) -> None:
    await specimen.write("a", "b", "a", "c", "a")


async def test_relay_killed_before_it_publishes(specimen: Specimen, processes: Processes) -> None:
    """F11: I1, and nothing was sent."""
    await _write_some(specimen)
    await processes.start_and_die("relay.before_publish:exit")
    assert [await specimen.depth(consumer) for consumer in CONSUMERS] == [0, 0, 0]
    processes.start()
    await _recovered(specimen)


async def test_relay_killed_after_it_published(specimen: Specimen, processes: Processes) -> None:
    """F12: the bytes are out, the confirms not in; I1, I2."""
    await _write_some(specimen)
    await processes.start_and_die("relay.after_publish:exit")
    pending = await specimen.pending()
    assert pending >= 5
    processes.start()
    await _recovered(specimen)


async def test_relay_killed_after_the_confirms(specimen: Specimen, processes: Processes) -> None:
    """F13: I1, I2, and duplicates were really there."""
    await _write_some(specimen)
    await processes.start_and_die("relay.after_confirms:exit")
    appended = len(await specimen.query("select 1 from outbox_event"))
    assert await specimen.pending() == appended
    sent = await specimen.query("select count(*) from effect where consumer = 'specimen.every'")
    assert sent[0][0] + await specimen.depth("specimen.every") == 5
    processes.start()
    await _recovered(specimen)


async def _only_for_every(specimen: Specimen) -> None:
    """Put what was written into one consumer's queue, so that this consumer is the one that dies."""
    for row in await logged(specimen.db):
        await specimen.publish(to_message(row)._replace(exchange="", routing_key="specimen.every"))
    await specimen.execute("delete from outbox_pending")


async def _every_recovered(specimen: Specimen) -> None:
    expected = await specimen.appended()

    async def settled() -> bool:
        marked = await specimen.query("select count(*) from inbox where consumer = 'specimen.every'")
        return marked == [(len(expected),)] and await specimen.depth("specimen.every") == 0

    await eventually(settled, describe="everything settled")
    ids = await _event_ids(specimen, "specimen.every")
    assert len(ids) == len(set(ids)), "a double effect"
    assert set(ids) == expected


async def test_consumer_killed_before_its_commit(specimen: Specimen, processes: Processes) -> None:
    """F15: nothing is half done, and the broker delivers again."""
    await _write_some(specimen)
    await _only_for_every(specimen)
    await processes.start_and_die("consumer.before_commit:exit")
    assert await specimen.effects() == []
    await eventually(lambda: _is_back(specimen, 5), describe="the messages to be back in their queue")
    processes.start()
    await _every_recovered(specimen)


async def test_consumer_killed_between_commit_and_ack(specimen: Specimen, processes: Processes) -> None:
    """F16: the effects are there and the messages come again; the inbox absorbs them."""
    await _write_some(specimen)
    await _only_for_every(specimen)
    await processes.start_and_die("consumer.after_commit:exit")
    assert len(await specimen.effects()) >= 1
    await eventually(lambda: _is_back(specimen, 5), describe="the messages to be back in their queue")
    processes.start()
    await _every_recovered(specimen)


async def _is_back(specimen: Specimen, count: int) -> bool:
    return await specimen.depth("specimen.every") == count


async def test_consumer_killed_between_dead_letter_and_ack(specimen: Specimen, processes: Processes) -> None:
    """F18: two letters may lie in the queue, but they are one: same consumer, event and attempt."""
    await specimen.write("a", says="permanent")
    await processes.start_and_die("consumer.after_republish:exit")
    processes.start()

    async def settled() -> bool:
        return (
            await specimen.depth("specimen.every.dlq") >= 1
            and await specimen.depth("specimen.outside.dlq") >= 1
            and await specimen.depth("specimen.every") + await specimen.depth("specimen.outside") == 0
        )

    await eventually(settled, timeout=30, describe="the dead letters")
    for consumer in ("specimen.every", "specimen.outside"):
        letters = await specimen.take(f"{consumer}.dlq")
        assert len({(letter.message_id, letter.headers["t-attempt"]) for letter in letters}) == 1
    assert await specimen.effects() == []

"""Producers and history of two majors, one consumer of the newest (F45, R-SYS-03)."""

from functools import partial

import pytest

from threadly_chassis.messaging import Consumer
from threadly_chassis.testing import eventually
from threadly_chassis.testing.library.harness import Library
from threadly_chassis.testing.library.service import READER, StoryTold, StoryToldV1
from threadly_contracts import Event

HANDLERS = READER["reader.counter"].handlers


class StoryToldV3(Event, type="threadly.author.story_told.v3", aggregate="story", subject="story_id"):
    """A major that the reader does not know yet."""

    story_id: str


async def _never(event: object, context: object) -> None:
    raise AssertionError(event, context)


def test_a_consumer_of_the_newest_major_is_bound_to_the_older_too() -> None:
    consumer = Consumer("reader.other", handlers=HANDLERS)
    assert consumer.routing_keys == ["author.story_told.v1", "author.story_told.v2"]
    assert consumer.classes_of(StoryToldV1.type) == (StoryToldV1, StoryTold)
    assert consumer.classes_of(StoryTold.type) == (StoryTold, StoryTold)
    assert consumer.classes_of(StoryToldV3.type) is None


def test_a_handler_for_the_old_major_keeps_it() -> None:
    consumer = Consumer("reader.other", handlers={**HANDLERS, StoryToldV1: _never})
    assert consumer.classes_of(StoryToldV1.type) == (StoryToldV1, StoryToldV1)
    old = Consumer("reader.other", handlers={StoryToldV1: _never})
    assert old.routing_keys == ["author.story_told.v1"]
    assert old.classes_of(StoryTold.type) is None


@pytest.mark.integration
async def test_mixed_producers_have_no_dead_letters(library: Library) -> None:
    """F45: in any order, live and rebuilt."""
    async with library.working():
        for number in range(20):
            await library.tell(f"story-{number % 5}", as_v1=number % 3 == 0)
        await eventually(library.in_step, describe="the copies")
        moods = await library.reader.query("select distinct mood from reading where mood <> ''")
        await library.reader.execute("delete from copy")
        assert (await library.verdict(await library.request())).is_equal
        await eventually(library.in_step, describe="the copies")
    assert sorted(mood for (mood,) in moods) == ["merry", "unknown"]
    assert await library.depth("reader.copies.dlq") + await library.depth("reader.counter.dlq") == 0


@pytest.mark.integration
async def test_a_major_that_is_not_known_yet_is_a_dead_letter(library: Library) -> None:
    """As the broker still binds what an older release was bound to, such a message can come."""
    async with library.working():
        connection = await library.broker.get()
        async with connection.channel() as channel:
            queue = await channel.get_queue("reader.copies")
            await queue.bind("t.events", StoryToldV3.routing_key())
        async with library.author.db.transaction() as tx:
            await tx.publish(StoryToldV3(story_id="a"), version=1)
        await eventually(partial(_dead, library), describe="the dead letter")
        async with connection.channel() as channel:
            letter = await (await channel.get_queue("reader.copies.dlq")).get(no_ack=True)
    assert letter is not None
    assert letter.headers["t-dead-reason"] == "unknown-major"


async def _dead(library: Library) -> bool:
    return await library.depth("reader.copies.dlq") == 1

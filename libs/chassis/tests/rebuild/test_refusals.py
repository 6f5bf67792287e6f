"""Who is not rebuilt, and how a rebuild is called off."""

from functools import partial

import pytest

from threadly_chassis.ids import new_id
from threadly_chassis.messaging import Consumer, Gate
from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.publisher import Publisher
from threadly_chassis.messaging.subscriptions import SubscriptionError
from threadly_chassis.rebuild.source import to_reader
from threadly_chassis.testing import eventually
from threadly_chassis.testing.library.harness import Library
from threadly_chassis.testing.library.service import READER, StoryTold
from threadly_chassis.testing.rows import logged

HANDLERS = READER["reader.counter"].handlers


@pytest.mark.parametrize("gate", [Gate.NONE])
def test_only_a_gated_reader_may_promise_to_be_rebuildable(gate: Gate) -> None:
    with pytest.raises(SubscriptionError, match="only a reader with"):
        Consumer("reader.other", gate=gate, handlers=HANDLERS, rebuildable=True)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("consumer", "owners", "reason"),
    [
        ("reader.counter", (), "it is not rebuildable"),
        ("reader.nobody", (), "reader has no consumer of this name"),
        ("reader.rebuild-control", (), "reader has no consumer of this name"),
        ("reader.copies", ("publisher",), "publisher owns nothing it listens to; author does"),
    ],
)
async def test_it_is_refused_with_the_reason(
    library: Library, consumer: str, owners: tuple[str, ...], reason: str
) -> None:
    async with library.working():
        assert reason in await library.refusal(await library.request(consumer, owners=owners))
    assert await library.author.query("select 1 from rebuild_source") == []


@pytest.mark.integration
async def test_two_at_once_are_one_and_a_refusal(library: Library) -> None:
    async with library.reader.working():
        async with library.author.working():
            await library.tell("a")
        first = await library.request()
        second = await library.request()
        async with library.author.working():
            assert f"rebuild {first} of it is under way" in await library.refusal(second)
            assert (await library.verdict(first)).is_equal
            third = await library.request()
            assert (await library.verdict(third)).is_equal


@pytest.mark.integration
async def test_an_abandoned_rebuild_makes_room_for_the_next(library: Library) -> None:
    """Its owner cannot be reached: the reader would wait for ever."""
    async with library.working():
        await library.tell(*(f"story-{number}" for number in range(50)))
        stuck = await library.request(rate=1)
        await eventually(partial(_source_state, library, "streaming"), describe="the slow rebuild")
        await library.abandon(stuck)
        await eventually(partial(_reader_state, library, "abandoned"), describe="the abandoned rebuild")
        await eventually(partial(_source_state, library, "abandoned"), describe="the abandoned source")
        assert (await library.verdict(await library.request())).is_equal


async def _reader_state(library: Library, state: str) -> bool:
    return bool(await library.reader.query("select state from rebuild_reader") == [(state,)])


async def _source_state(library: Library, state: str) -> bool:
    return bool(await library.author.query("select state from rebuild_source") == [(state,)])


@pytest.mark.integration
async def test_a_forged_mark_opens_no_inbox(library: Library, vhost: str) -> None:
    """A consumer that is not rebuildable applies an event once, whatever the message says."""
    async with library.working():
        await library.tell("a")
        await eventually(partial(_counted, library), describe="the first reading")
        [told] = [row for row in await logged(library.author.db) if row.event_type == StoryTold.type]
        connection = BrokerConnection(vhost, "forger")
        await Publisher(connection).publish_one(to_reader(told, "reader.counter", new_id()))
        await library.tell("b")
        await eventually(partial(_counted, library, 2), describe="the second story's reading")
        await connection.close()
    assert await _counted(library, 2)


async def _counted(library: Library, count: int = 1) -> bool:
    rows = await library.reader.query("select count(*) from reading where title = ''")
    return bool(rows == [(count,)])

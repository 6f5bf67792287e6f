"""Strict streams: contiguous versions, whatever fails, comes late, twice or not at all (eventing §3.5)."""

import random
from uuid import UUID

import pytest

from threadly_chassis.ids import new_id
from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.ordered import Ordered

pytestmark = pytest.mark.integration


def _upto(last: int, first: int = 1) -> list[int]:
    return list(range(first, last + 1))


async def test_tripled_and_shuffled_every_stream_is_contiguous(ordered: Ordered) -> None:
    """F33 for Gate.STRICT: I2, I3, with two workers at once."""
    notes, last = [f"note-{number}" for number in range(5)], 20
    for _ in range(last):
        await ordered.specimen.write(*notes)
    copies = await ordered.sent(len(notes) * last) * 3
    random.Random(33).shuffle(copies)  # noqa: S311 - the same disorder each time
    await ordered.deliver(*copies)
    async with ordered.working(), ordered.working():
        for note in notes:
            await ordered.applied(note, *_upto(last))
            await ordered.parked(note, 0)
    assert await ordered.specimen.depth("specimen.ordered.dlq") == 0


async def test_what_follows_a_poisonous_event_waits_and_all_else_goes_on(ordered: Ordered) -> None:
    """F35, I3: 500 successors are parked, other aggregates feel nothing; fixed and replayed, all is there."""
    bad, last = "bad", 503
    await ordered.write(bad, "", "", "needs antidote", *[""] * 500)
    healthy = [f"good-{number}" for number in range(20)]
    async with ordered.working():
        [letter] = await ordered.dead()
        await ordered.parked(bad, 500)
        assert await ordered.versions(bad) == [1, 2]
        # I6, loosely: behind a blocked stream a new event of another aggregate is applied as ever.
        await ordered.specimen.write(*healthy)
        for note in healthy:
            await ordered.applied(note, 1, seconds=5)
        assert letter.headers["t-dead-reason"] == "retries-exhausted"
        assert await ordered.stream(bad) == (2, UUID(str(letter.headers["cloudEvents:id"])), 500)
        await ordered.cure("antidote")
        await ordered.replay(letter)
        await ordered.applied(bad, *_upto(last), seconds=60)
        await ordered.parked(bad, 0)
        assert await ordered.resolved() == [letter.headers["cloudEvents:id"]]
    assert await ordered.stream(bad) == (last, None, 0)


async def test_the_ladder_heals_a_head_without_anybody(ordered: Ordered) -> None:
    await ordered.write("a", "", "fail until attempt 3", "", "")
    async with ordered.working():
        await ordered.applied("a", 1, 2, 3, 4)
    assert await ordered.stream("a") == (4, None, 0)


async def test_a_parked_event_that_fails_is_the_next_head(ordered: Ordered) -> None:
    await ordered.write("a", "needs one", "", "permanent", "", "needs two", "")
    async with ordered.working():
        [first] = await ordered.dead()
        await ordered.parked("a", 5)
        await ordered.cure("one")
        await ordered.replay(first)
        [second] = await ordered.dead()
        assert second.headers["t-dead-reason"] == "permanent"
        await ordered.parked("a", 3)
        assert await ordered.versions("a") == [1, 2]
        await ordered.discard(second)
        [third] = await ordered.dead()
        await ordered.parked("a", 1)
        await ordered.cure("two")
        await ordered.replay(third)
        await ordered.applied("a", 1, 2, 4, 5, 6)


async def test_two_workers_go_on_with_one_tail(ordered: Ordered) -> None:
    """I2, I3: both see the head healed, and the stream's lock lets one at a time go on."""
    notes = [f"note-{number}" for number in range(6)]
    for note in notes:
        await ordered.write(note, "needs antidote", *[""] * 20)
    async with ordered.working(), ordered.working():
        letters = await ordered.dead(len(notes))
        for note in notes:
            await ordered.parked(note, 20)
        await ordered.cure("antidote")
        await ordered.replay(*letters)
        for note in notes:
            await ordered.applied(note, *_upto(21))
    assert await ordered.specimen.depth("specimen.ordered.dlq") == 0


async def test_a_discarded_head_is_skipped_and_the_tail_goes_on(ordered: Ordered) -> None:
    await ordered.write("a", "", "permanent", "", "")
    await ordered.write("b", "permanent", "")
    async with ordered.working():
        letters = await ordered.dead(2)
        await ordered.parked("a", 2)
        await ordered.parked("b", 1)
        [head] = [letter for letter in letters if letter.headers["cloudEvents:subject"] == "a"]
        await ordered.discard(head)
        await ordered.applied("a", 1, 3, 4)
        assert await ordered.stream("a") == (4, None, 0)
        assert (await ordered.stream("b"))[2] == 1


async def test_a_replay_of_what_was_passed_is_a_dead_letter_again(ordered: Ordered) -> None:
    """Applied behind its successors an event would lie; a quiet success would lie too."""
    await ordered.write("a", "permanent", "")
    async with ordered.working():
        [head] = await ordered.dead()
        await ordered.parked("a", 1)
        await ordered.discard(head)
        await ordered.applied("a", 2)
        await ordered.replay(head)
        [again] = await ordered.dead()
    assert again.headers["t-dead-reason"] == "version-taken"
    assert await ordered.resolved() == []
    assert await ordered.stream("a") == (2, None, 0)


async def test_what_cannot_be_read_waits_for_its_turn_and_holds_its_stream_up(ordered: Ordered) -> None:
    await ordered.write("a", "", "", "")
    first, second, third = await ordered.sent(3)
    await ordered.deliver(second, body=b"not JSON")
    await ordered.deliver(third)
    async with ordered.working():
        await ordered.parked("a", 2)
        assert await ordered.specimen.depth("specimen.ordered.dlq") == 0
        await ordered.deliver(first)
        [letter] = await ordered.dead()
        assert letter.headers["t-dead-reason"] == "undecodable"
        await ordered.parked("a", 1)
        assert await ordered.versions("a") == [1]


async def test_what_does_not_fit_waits_in_the_broker(ordered: Ordered) -> None:
    """I8: a stream parks only so much; the rest comes round again, and nothing is lost or given up."""
    small = ordered.with_settings(parked_max=5)
    await small.write("a", "needs antidote", *[""] * 20)
    async with small.working():
        [head] = await small.dead()
        await small.parked("a", 5)
        await eventually(lambda: _waits(small), describe="the rest in a wait queue")
        assert await small.specimen.depth("specimen.ordered.dlq") == 0
        await small.cure("antidote")
        await small.replay(head)
        await small.applied("a", *_upto(21))
        await small.parked("a", 0)


async def _waits(ordered: Ordered) -> bool:
    return await ordered.specimen.depth("specimen.ordered.wait.400ms") > 0


async def test_a_new_epoch_that_goes_on_where_the_stream_stands_is_the_same_history(
    ordered: Ordered,
) -> None:
    """F29: a safe promotion stops nobody, and a gap across it is closed from the owner's log."""
    await ordered.write("a", "", "")
    first, second = await ordered.sent(2)
    await ordered.deliver(first)
    async with ordered.working():
        await ordered.applied("a", 1)
    await begin_timeline(ordered)
    async with ordered.working():
        await ordered.write("a", "", "")
        await ordered.applied("a", 1, 2, 3, 4)
        await ordered.write("b", "", "")
        await ordered.applied("b", 1, 2)
        await ordered.deliver(second)
    assert await ordered.specimen.depth("specimen.ordered.dlq") == 0


async def test_an_owner_that_was_set_back_stops_its_streams_for_a_decision(ordered: Ordered) -> None:
    """F29: of what follows nothing is applied before that; the replay goes on with the new history."""
    await ordered.write("a", "", "", "")
    await ordered.write("b", "")
    async with ordered.working():
        await ordered.applied("a", 1, 2, 3)
        await ordered.applied("b", 1)
        await ordered.specimen.execute("delete from outbox_event where agg_id = 'a' and agg_version > 1")
        await ordered.specimen.execute("update note set version = 1 where note_id = 'a'")
    await begin_timeline(ordered)
    async with ordered.working():
        await ordered.write("a", "", "", "")
        await ordered.write("b", "")
        await ordered.applied("b", 1, 2)
        [letter] = await ordered.dead()
        assert letter.headers["t-dead-reason"] == "forked"
        assert letter.headers["t-agg-version"] == 2
        await ordered.parked("a", 2)
        assert await ordered.versions("a") == [1, 2, 3]
        await ordered.replay(letter)
        await ordered.applied("a", 1, 2, 3, 2, 3, 4)


async def begin_timeline(ordered: Ordered) -> None:
    """Let the specimen's next connection find another timeline than the one of its data.

    Its workers must not run: a connection that is out while its pool is given up would be nobody's.
    """
    await ordered.specimen.execute("update outbox_epoch set timeline = timeline - 1")
    await ordered.specimen.db.engine.dispose()


async def test_what_an_owner_has_erased_and_comes_late_is_not_applied_behind_its_new_history(
    ordered: Ordered,
) -> None:
    await ordered.write("a", "", "")
    first, second = await ordered.sent(2)
    # A relay that was ended before it had settled would send the second one once more.
    await ordered.specimen.execute("delete from outbox_pending")
    await ordered.deliver(first)
    async with ordered.working():
        await ordered.applied("a", 1)
        await ordered.deliver(second, headers={"t-epoch": 1, "cloudEvents:id": str(new_id())})
        await ordered.applied("a", 1, 2)
        await ordered.deliver(second, headers={"t-agg-version": 3})
        [letter] = await ordered.dead()
    assert letter.headers["t-dead-reason"] == "version-taken"

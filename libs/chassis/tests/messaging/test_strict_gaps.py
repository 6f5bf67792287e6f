"""Gaps in strict streams: asked for, answered from the owner's log, and shown when nobody can answer."""

import pytest
from sqlalchemy import text

from threadly_chassis.ids import new_id
from threadly_chassis.messaging.gaps import ResendRequest
from threadly_chassis.messaging.resend import Resender
from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.ordered import Ordered

pytestmark = pytest.mark.integration


async def _asked(ordered: Ordered) -> bool:
    rows = await ordered.specimen.query("select 1 from inbox_stream where asked_at is not null")
    return bool(rows)


async def test_a_lost_event_is_sent_again_by_its_owner(ordered: Ordered) -> None:
    await ordered.write("a", "", "", "", "")
    first, _, _, fourth = await ordered.sent(4)
    await ordered.deliver(fourth, first)
    async with ordered.working():
        await ordered.applied("a", 1, 2, 3, 4)
        await ordered.parked("a", 0)
        await ordered.write("a", "")
        await ordered.applied("a", 1, 2, 3, 4, 5)
    assert await ordered.specimen.depth("specimen.ordered.dlq") == 0


async def test_of_a_version_that_was_restated_after_a_fork_the_original_is_sent(ordered: Ordered) -> None:
    """The copy is of a later epoch, and would look like a fork to a strict reader (F29)."""
    await ordered.write("a", "", "", "")
    first, _, third = await ordered.sent(3)
    await ordered.specimen.execute("delete from outbox_pending")
    await ordered.specimen.execute(
        "insert into outbox_event (shard, event_id, agg_type, agg_id, agg_version, event_type, schema_major, "
        "headers, payload) select shard, :copy, agg_type, agg_id, agg_version, event_type, schema_major, "
        "headers || jsonb_build_object('cloudEvents:id', cast(:copy as text), 't-epoch', 1), payload "
        "from outbox_event where agg_id = 'a' and agg_version = 2",
        copy=new_id(),
    )
    await ordered.deliver(third, first)
    async with ordered.working():
        await ordered.applied("a", 1, 2, 3)
        await ordered.parked("a", 0)
        await ordered.write("a", "")
        await ordered.applied("a", 1, 2, 3, 4)
    assert await ordered.specimen.depth("specimen.ordered.dlq") == 0


async def test_a_version_that_published_nothing_closes_no_stream(ordered: Ordered) -> None:
    """The log decides: what is not in it, below something that is, will never come."""
    await ordered.write("a", "")
    await ordered.specimen.execute("update note set version = version + 3 where note_id = 'a'")
    await ordered.write("a", "", "")
    async with ordered.working():
        await ordered.applied("a", 1, 5, 6)
    assert await ordered.stream("a") == (6, None, 0)


async def test_a_reader_younger_than_the_aggregate_gets_its_history(ordered: Ordered) -> None:
    """A stream begins at version 1, whenever its reader does."""
    await ordered.write("a", *[""] * 30)
    await ordered.sent(30)
    await ordered.write("a", "")
    async with ordered.working():
        await ordered.applied("a", *range(1, 32))


async def test_a_reader_that_had_another_gate_goes_on_where_it_was(ordered: Ordered) -> None:
    """What it has applied counts as applied in order; nothing is applied twice (I2)."""
    await ordered.write("a", "", "", "", "")
    messages = await ordered.sent(4)
    for message in messages[:3]:
        await ordered.specimen.execute(
            "insert into inbox (consumer, event_id) values ('specimen.ordered', :id)",
            id=message.headers["cloudEvents:id"],
        )
    await ordered.deliver(messages[3])
    async with ordered.working():
        await ordered.applied("a", 4)


async def test_a_gap_that_nobody_can_fill_is_reported_and_then_a_choice(ordered: Ordered) -> None:
    """The letter's replay goes on over the gap; what was missing may not come behind it any more."""
    impatient = ordered.with_settings(gap_alert_after=0.5, gap_give_up_after=0.6)
    await impatient.write("a", "", "", "", "")
    first, second, third, fourth = await impatient.sent(4)
    await impatient.specimen.execute("delete from outbox_event where agg_id = 'a'")
    await impatient.deliver(first, third, fourth)
    async with impatient.working():
        [letter] = await impatient.dead()
        assert letter.headers["t-dead-reason"] == "versions-missing"
        assert letter.headers["t-dead-message"] == "note a: versions 2 to 2 never came"
        assert letter.headers["cloudEvents:id"] == third.headers["cloudEvents:id"]
        await impatient.parked("a", 2)
        alerted = await impatient.specimen.query("select alerted_at from inbox_stream where agg_id = 'a'")
        assert alerted[0][0] is not None
        assert await impatient.versions("a") == [1]
        await impatient.replay(letter)
        await impatient.applied("a", 1, 3, 4)
        await impatient.deliver(second)
        [late] = await impatient.dead()
        assert late.headers["t-dead-reason"] == "version-taken"
    assert await impatient.versions("a") == [1, 3, 4]


async def test_a_gap_that_closes_after_all_needs_no_choice(ordered: Ordered) -> None:
    impatient = ordered.with_settings(gap_give_up_after=0.5)
    await impatient.write("a", "", "", "")
    first, second, third = await impatient.sent(3)
    await impatient.specimen.execute("delete from outbox_event where agg_id = 'a'")
    await impatient.deliver(first, third)
    async with impatient.working():
        [letter] = await impatient.dead()
        await impatient.deliver(second)
        await impatient.applied("a", 1, 2, 3)
        await impatient.replay(letter)
        await eventually(lambda: _resolved(impatient), describe="the word that it was applied")
    assert await impatient.versions("a") == [1, 2, 3]
    assert await impatient.specimen.depth("specimen.ordered.dlq") == 0


async def _resolved(ordered: Ordered) -> bool:
    return len(await ordered.resolved()) == 1


async def test_the_event_behind_a_gap_can_be_given_up_too(ordered: Ordered) -> None:
    impatient = ordered.with_settings(gap_give_up_after=0.5)
    await impatient.write("a", "", "", "", "")
    first, _, third, fourth = await impatient.sent(4)
    await impatient.specimen.execute("delete from outbox_event where agg_id = 'a'")
    await impatient.deliver(first, third, fourth)
    async with impatient.working():
        [letter] = await impatient.dead()
        await impatient.discard(letter)
        await impatient.applied("a", 1, 4)
        await impatient.parked("a", 0)


async def test_an_owner_that_is_away_is_asked_again(ordered: Ordered) -> None:
    """The reader's side alone: its own resending is stopped, and begun again."""
    await ordered.write("a", "", "", "")
    first, _, third = await ordered.sent(3)
    await ordered.deliver(first, third)
    async with ordered.working() as worker:
        worker._resender.drain()
        await eventually(lambda: _asked(ordered), describe="the question")
        lost = await eventually(lambda: ordered.specimen.take("specimen.resend"), describe="its message")
        assert len(lost) == 1
        assert await ordered.versions("a") == [1]
    async with ordered.working():
        await ordered.applied("a", 1, 2, 3)


async def test_what_is_scheduled_and_not_due_is_not_sent_ahead_of_its_time(ordered: Ordered) -> None:
    await ordered.write("a", "", "", "")
    await ordered.sent(3)
    async with ordered.specimen.db.transaction() as tx:
        await tx.session.execute(
            text(
                "insert into outbox_scheduled (due_at, id, shard) select now() + interval '1 day', id, shard "
                "from outbox_event where agg_id = 'a' and agg_version = 2"
            )
        )
    async with ordered.working() as worker:
        resender: Resender = worker._resender
        request = ResendRequest(
            consumer="specimen.ordered",
            aggregate="note",
            subject="a",
            first=1,
            last=3,
            types=("threadly.specimen.note_written.v1",),
        )
        assert await resender.send_again(request) == 1
        await ordered.applied("a", 1)

"""A dead letter's way through operations (R-SYS-05, F18 to F20)."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from aio_pika import Message
from sqlalchemy import text

from threadly_chassis.errors import NotFound
from threadly_chassis.ids import new_id
from threadly_chassis.messaging import Context
from threadly_chassis.messaging import headers as h
from threadly_contracts.operations import ConsumersDeclared, DeadLetterResolved
from threadly_operations.dependencies import OperationsDeps
from threadly_operations.domain.dead_letter import NotDiscardable, NotReplayable, ReasonMissing
from threadly_operations.domain.status import Status
from threadly_operations.storage.dead_letters import Selection
from threadly_operations.storage.tables import AuditRow, ConsumerRow, DeadLetterRow
from threadly_operations.use_cases.discard_dead_letter import discard_dead_letter
from threadly_operations.use_cases.gather_dead_letters import gather_dead_letters
from threadly_operations.use_cases.note_consumers import note_consumers
from threadly_operations.use_cases.replay_dead_letters import Replay, replay_dead_letters
from threadly_operations.use_cases.resolve_dead_letter import resolve_dead_letter
from threadly_operations.use_cases.send_replays import send_replays

pytestmark = pytest.mark.integration
Bury = Callable[..., Awaitable[str]]
Letters = Callable[[], Awaitable[list[DeadLetterRow]]]


async def _replay(deps: OperationsDeps, **selection: Any) -> Replay:
    async with deps.db.transaction() as tx:
        return await replay_dead_letters(
            tx, Selection(**selection), clock=deps.clock, actor="test", reason="mended"
        )


async def _resolved(deps: OperationsDeps, event_id: str, replay_id: UUID) -> None:
    event = DeadLetterResolved(
        event_id=UUID(event_id), consumer="shelf.sorter", replay_id=replay_id, resolved_at=deps.clock.now()
    )
    async with deps.db.transaction() as tx:
        context = _context(deps, tx)
        await resolve_dead_letter(event, context)


def _context(deps: OperationsDeps, tx: Any) -> Context[OperationsDeps]:
    return Context(
        deps=deps,
        tx=tx,
        event_id=new_id(),
        version=1,
        occurred_at=deps.clock.now(),
        attempt=1,
        correlation_id="",
        causation_id=None,
        replay_id=None,
    )


async def test_a_dead_letter_is_taken_in_with_its_story(
    deps: OperationsDeps, bury: Bury, letters: Letters, queues: dict[str, Any]
) -> None:
    event_id = await bury()
    await gather_dead_letters(deps)
    [letter] = await letters()
    assert (letter.message_key, letter.status, letter.attempts) == (event_id, Status.OPEN, 6)
    assert (letter.reason, letter.exception, letter.trace_id) == (
        "retries-exhausted",
        "shelf.ShelfFull",
        "ab" * 16,
    )
    assert letter.stack.startswith("Traceback")
    assert letter.body == b'{"title": "Emma"}'
    assert (await queues["dlq"].declare()).message_count == 0


async def test_the_same_death_twice_is_one_letter(deps: OperationsDeps, bury: Bury, letters: Letters) -> None:
    """F18, F19: a repeat by a crashed consumer or gatherer changes nothing."""
    event_id = await bury()
    await gather_dead_letters(deps)
    await bury(event_id)
    await gather_dead_letters(deps)
    [letter] = await letters()
    assert letter.occurrences == 1


async def test_a_message_without_any_header_of_ours_is_kept(
    deps: OperationsDeps, queues: dict[str, Any], letters: Letters
) -> None:
    await queues["dead"].publish(Message(b"\xff\x00 not ours"), "shelf.sorter.dlq")
    await gather_dead_letters(deps)
    [letter] = await letters()
    assert letter.message_key.startswith("sha256:")
    assert (letter.event_type, letter.reason) == ("unknown", "unknown")


async def test_a_failing_store_leaves_the_letters_in_the_broker(
    deps: OperationsDeps,
    bury: Bury,
    letters: Letters,
    queues: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await bury()
    with monkeypatch.context() as broken:
        broken.setattr("threadly_operations.use_cases.gather_dead_letters.dead_letters.take_in", _fail)
        with pytest.raises(ConnectionError):
            await gather_dead_letters(deps)
    await gather_dead_letters(deps)
    assert len(await letters()) == 1


async def _fail(*_: Any) -> None:
    raise ConnectionError


async def test_a_replay_goes_back_to_its_consumer_as_a_new_life(
    deps: OperationsDeps, bury: Bury, letters: Letters, queues: dict[str, Any]
) -> None:
    event_id = await bury()
    await gather_dead_letters(deps)
    [letter] = await letters()
    decided = await _replay(deps, ids=(letter.id,))
    await send_replays(deps)
    message = await queues["main"].get(timeout=5)
    assert message.body == letter.body
    assert message.headers[h.CE_ID] == event_id
    assert (message.headers[h.ATTEMPT], message.headers[h.REPLAY_ID]) == (1, str(decided.replay_id))
    # The broker adds x-delivery-count to whatever it hands out; nothing of the old life may be left.
    assert not [name for name in message.headers if name.startswith(("x-death", "t-dead-"))]
    [letter] = await letters()
    assert letter.status == Status.REPLAYING
    assert letter.sent_at


async def test_it_is_resolved_only_when_the_consumer_says_so(
    deps: OperationsDeps, bury: Bury, letters: Letters
) -> None:
    event_id = await bury()
    await gather_dead_letters(deps)
    decided = await _replay(deps, consumer="shelf.sorter")
    await send_replays(deps)
    await _resolved(deps, event_id, decided.replay_id)
    await _resolved(deps, event_id, decided.replay_id)
    [letter] = await letters()
    assert letter.status == Status.RESOLVED
    with pytest.raises(NotReplayable):
        await _replay(deps, ids=(letter.id,))


async def test_a_replay_that_fails_again_opens_the_same_letter(
    deps: OperationsDeps, bury: Bury, letters: Letters
) -> None:
    event_id = await bury()
    await gather_dead_letters(deps)
    await _replay(deps, consumer="shelf.sorter")
    await send_replays(deps)
    await bury(event_id, failed_at="2026-11-22T11:00:00+00:00")
    await gather_dead_letters(deps)
    [letter] = await letters()
    assert (letter.status, letter.occurrences, letter.sent_at) == (Status.OPEN, 2, None)


async def test_sending_twice_is_impossible_once_marked(
    deps: OperationsDeps, bury: Bury, queues: dict[str, Any]
) -> None:
    """F20: a sender that starts again sends only what was not confirmed."""
    await bury()
    await gather_dead_letters(deps)
    await _replay(deps, consumer="shelf.sorter")
    await send_replays(deps)
    await send_replays(deps)
    assert await queues["main"].get(timeout=5)
    assert await queues["main"].get(fail=False, timeout=1) is None


async def test_a_replay_to_a_queue_that_is_gone_stays_unsent(
    deps: OperationsDeps, bury: Bury, letters: Letters, queues: dict[str, Any]
) -> None:
    await bury()
    await gather_dead_letters(deps)
    await queues["main"].delete(if_unused=False, if_empty=False)
    await _replay(deps, consumer="shelf.sorter")
    await send_replays(deps)
    [letter] = await letters()
    assert (letter.status, letter.sent_at) == (Status.REPLAYING, None)


async def test_every_act_is_in_the_audit_trail(
    deps: OperationsDeps, bury: Bury, letters: Letters, count: Callable[[Any], Awaitable[int]]
) -> None:
    """I7: operator actions = audit rows; a dry run is no action."""
    await bury()
    await bury()
    await gather_dead_letters(deps)
    first, second = await letters()
    async with deps.db.transaction() as tx:
        await replay_dead_letters(
            tx, Selection(consumer="shelf.sorter"), clock=deps.clock, actor="a", reason="", dry_run=True
        )
    assert await count(AuditRow) == 0
    await _replay(deps, ids=(first.id,))
    async with deps.db.transaction() as tx:
        await discard_dead_letter(tx, second.id, clock=deps.clock, actor="a", reason="a test")
    assert await count(AuditRow) == 2


async def test_only_an_open_letter_can_be_discarded_and_only_with_a_reason(
    deps: OperationsDeps, bury: Bury, letters: Letters
) -> None:
    await bury()
    await gather_dead_letters(deps)
    [letter] = await letters()

    async def discard(letter_id: UUID, reason: str) -> None:
        async with deps.db.transaction() as tx:
            await discard_dead_letter(tx, letter_id, clock=deps.clock, actor="a", reason=reason)

    with pytest.raises(ReasonMissing):
        await discard(letter.id, " ")
    with pytest.raises(NotFound):
        await discard(new_id(), "why")
    await discard(letter.id, "why")
    with pytest.raises(NotDiscardable):
        await discard(letter.id, "why")
    async with deps.db.read() as session:
        said = await session.execute(
            text("select agg_id, convert_from(payload, 'UTF8')::jsonb ->> 'consumer' from outbox_event")
        )
        # Said once: the discard that was refused said nothing.
        assert [tuple(row) for row in said] == [(letter.message_key, letter.consumer)]


async def test_what_was_discarded_is_replayed_only_by_who_knows_that(
    deps: OperationsDeps, bury: Bury, letters: Letters
) -> None:
    """F41: whoever decided about an open letter is told that somebody else decided first."""
    await bury()
    await bury()
    await gather_dead_letters(deps)
    first, second = await letters()
    async with deps.db.transaction() as tx:
        await discard_dead_letter(tx, first.id, clock=deps.clock, actor="a", reason="hopeless")
    with pytest.raises(NotReplayable, match="It was discarded"):
        await _replay(deps, ids=(first.id,))
    # A group leaves it alone.
    assert (await _replay(deps, consumer="shelf.sorter")).dead_letter_ids == (second.id,)
    async with deps.db.transaction() as tx:
        known = Selection(ids=(first.id,))
        replay = await replay_dead_letters(
            tx, known, clock=deps.clock, actor="a", reason="not so hopeless", discarded=True
        )
    assert replay.dead_letter_ids == (first.id,)
    with pytest.raises(NotReplayable, match="REPLAYING"):
        await _replay(deps, ids=(first.id,))


async def test_consumers_are_noted_and_never_forgotten(
    deps: OperationsDeps, count: Callable[[Any], Awaitable[int]]
) -> None:
    for consumers in (("shelf.sorter", "shelf.counter"), ("shelf.counter",)):
        event = ConsumersDeclared(
            service="shelf", consumers=consumers, release="2", declared_at=deps.clock.now()
        )
        async with deps.db.transaction() as tx:
            await note_consumers(event, _context(deps, tx))
    assert await count(ConsumerRow) == 2

"""A replay's rate and its canary: kept by two senders, stopped when letters fail again (F40)."""

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from threadly_chassis.ids import new_id
from threadly_chassis.messaging import headers as h
from threadly_chassis.messaging.gathering import StoredMessage
from threadly_chassis.messaging.publisher import Confirmation, Publisher
from threadly_chassis.testing.database import query
from threadly_chassis.testing.handlers import run_handler
from threadly_contracts.operations import DeadLetterResolved
from threadly_operations.dependencies import OperationsDeps, open_deps
from threadly_operations.domain.replay import ReplayStatus, Terms
from threadly_operations.domain.status import Status
from threadly_operations.storage import replays
from threadly_operations.storage.dead_letters import Selection
from threadly_operations.storage.replays import ReplayView
from threadly_operations.storage.tables import ConsumerRow, DeadLetterRow
from threadly_operations.use_cases.discard_dead_letter import discard_dead_letter
from threadly_operations.use_cases.gather_dead_letters import gather_dead_letters
from threadly_operations.use_cases.replay_dead_letters import replay_dead_letters
from threadly_operations.use_cases.resolve_dead_letter import resolve_dead_letter
from threadly_operations.use_cases.send_replays import send_replays
from threadly_operations.use_cases.take_turn import take_turn

pytestmark = pytest.mark.integration
Bury = Callable[..., Awaitable[str]]
Letters = Callable[[], Awaitable[list[DeadLetterRow]]]
CONSUMER = "shelf.sorter"
SOME_TIME_AGO = datetime(2026, 11, 22, 10, tzinfo=UTC)
FAILED_AGAIN = "2026-11-22T11:00:00+00:00"


async def _lay(deps: OperationsDeps, count: int, *, consumer: str = CONSUMER) -> list[UUID]:
    """Have so many letters of one consumer, as if they had been gathered; gives their events."""
    events = [new_id() for _ in range(count)]
    async with deps.db.transaction() as tx:
        for event in events:
            story = {h.CE_ID: str(event), h.LAST_FAILED_AT: SOME_TIME_AGO.isoformat()}
            message = StoredMessage({"message_id": str(event)}, story, b"{}")
            tx.session.add(_row(message, consumer, event))
    return events


def _row(message: StoredMessage, consumer: str, event: UUID) -> DeadLetterRow:
    words = ("event_type", "aggregate", "subject", "reason", "exception", "message", "stack", "fingerprint")
    more = ("trace_id", "correlation_id", "release", "host")
    return DeadLetterRow(
        id=new_id(),
        consumer=consumer,
        message_key=str(event),
        status=Status.OPEN,
        attempts=1,
        occurrences=1,
        row_version=1,
        last_failed_at=SOME_TIME_AGO,
        properties=dict(message.properties),
        headers=dict(message.headers),
        body=message.body,
        created_at=SOME_TIME_AGO,
        updated_at=SOME_TIME_AGO,
        **dict.fromkeys((*words, *more), ""),
    )


async def _replay(
    deps: OperationsDeps, *, rate: int = 200, ids: tuple[UUID, ...] = (), consumer: str = CONSUMER
) -> UUID:
    async with deps.db.transaction() as tx:
        decided = await replay_dead_letters(
            tx,
            Selection(ids=ids, consumer=consumer),
            clock=deps.clock,
            actor="olga",
            reason="mended",
            terms=Terms(rate=rate),
            discarded=bool(ids),
        )
    return decided.replay_id


async def _view(deps: OperationsDeps, replay_id: UUID) -> ReplayView:
    async with deps.db.read() as session:
        view = await replays.view(session, replay_id)
    assert view
    return view


async def _counts(deps: OperationsDeps, replay_id: UUID) -> tuple[str, int, int, int, int]:
    view = await _view(deps, replay_id)
    return view.replay.status, view.sent, view.resolved, view.failed_again, view.withdrawn


async def _send_all(replay_id: UUID, *senders: OperationsDeps) -> None:
    async def send(deps: OperationsDeps) -> None:
        while (view := await _view(deps, replay_id)).sent < view.replay.selected:
            await send_replays(deps)

    await asyncio.gather(*(send(deps) for deps in senders))


async def _resolve(deps: OperationsDeps, event: UUID | str, replay_id: UUID) -> None:
    said = DeadLetterResolved(
        event_id=UUID(str(event)), consumer=CONSUMER, replay_id=replay_id, resolved_at=deps.clock.now()
    )
    await run_handler(resolve_dead_letter, said, deps)


async def _sent_events(deps: OperationsDeps) -> list[str]:
    rows = await query(deps.db, "select message_key from dead_letter where sent_at is not null order by id")
    return [row["message_key"] for row in rows]


async def test_two_senders_at_once_keep_the_rate(deps: OperationsDeps, queues: dict[str, Any]) -> None:
    """F40: the slope of the letters over the database's time, within 5 %, and each of them once."""
    await _lay(deps, 600)
    replay_id = await _replay(deps, rate=150)
    async with open_deps(deps.settings) as second:
        await _send_all(replay_id, deps, second)
    sent = "select extract(epoch from sent_at)::float as at from replay_letter order by 1"
    moments = [row["at"] for row in await query(deps.db, sent)]
    assert len(moments) == 600
    rate = statistics.linear_regression(moments, range(600)).slope
    assert rate == pytest.approx(150, rel=0.05)
    assert (await queues["main"].declare()).message_count == 600


async def test_it_stops_when_letters_fail_again_and_sends_no_more(
    deps: OperationsDeps, queues: dict[str, Any], bury: Bury
) -> None:
    """F40: what was not sent is open again, the trail and the replay say why, and the rest can go anew."""
    await _lay(deps, 120)
    replay_id = await _replay(deps, rate=30)
    await send_replays(deps)
    sent = await _sent_events(deps)
    assert 6 < len(sent) < 120
    for event in sent[:6]:
        await bury(event, failed_at=FAILED_AGAIN)
    await gather_dead_letters(deps)
    for _ in range(2):
        await send_replays(deps)
    assert (await queues["main"].declare()).message_count == len(sent)
    assert await _counts(deps, replay_id) == ("STOPPED", len(sent), 0, 6, 120 - len(sent))
    replay = (await _view(deps, replay_id)).replay
    assert replay.stopped_because == "6 of the last 6 failed again"
    assert replay.ended_at
    states = "select status, count(*) from dead_letter group by 1 order by 1"
    assert [tuple(row.values()) for row in await query(deps.db, states)] == [
        ("OPEN", 126 - len(sent)),
        ("REPLAYING", len(sent) - 6),
    ]
    again = "select count(*) from dead_letter where occurrences = 2 and replay_id = :replay"
    assert await query(deps.db, again, replay=replay_id) == [{"count": 6}]
    stop = "select actor, reason, replay_id from audit_entry where action = 'stop'"
    assert await query(deps.db, stop) == [
        {"actor": "operations", "reason": replay.stopped_because, "replay_id": replay_id}
    ]
    # What is still under way is counted when it is heard of, and what is open can be replayed anew.
    await _resolve(deps, sent[6], replay_id)
    assert await _counts(deps, replay_id) == ("STOPPED", len(sent), 1, 6, 120 - len(sent))
    anew = await _view(deps, await _replay(deps))
    assert anew.replay.selected == 126 - len(sent)


async def test_what_was_discarded_is_discarded_again_after_a_stop(
    deps: OperationsDeps, queues: dict[str, Any], letters: Letters, bury: Bury
) -> None:
    await _lay(deps, 60)
    rows = await letters()
    async with deps.db.transaction() as tx:
        await discard_dead_letter(tx, rows[-1].id, clock=deps.clock, actor="a", reason="hopeless")
    replay_id = await _replay(deps, rate=20, ids=tuple(row.id for row in rows))
    await send_replays(deps)
    for event in (await _sent_events(deps))[:6]:
        await bury(event, failed_at=FAILED_AGAIN)
    await gather_dead_letters(deps)
    await send_replays(deps)
    assert (await _view(deps, replay_id)).replay.status == ReplayStatus.STOPPED
    assert [row.status for row in await letters()][-2:] == [Status.OPEN, Status.DISCARDED]


async def test_fewer_letters_than_the_rule_looks_at_are_all_sent(
    deps: OperationsDeps, queues: dict[str, Any], bury: Bury
) -> None:
    events = await _lay(deps, 49)
    replay_id = await _replay(deps, rate=30)
    await send_replays(deps)
    for event in await _sent_events(deps):
        await bury(str(event), failed_at=FAILED_AGAIN)
    await gather_dead_letters(deps)
    failed = (await _view(deps, replay_id)).failed_again
    assert 6 < failed < 49
    await _send_all(replay_id, deps)
    for event in await _sent_events(deps):
        await _resolve(deps, event, replay_id)
    await send_replays(deps)
    assert await _counts(deps, replay_id) == ("DONE", len(events), 49 - failed, failed, 0)


async def test_what_is_heard_twice_counts_once(
    deps: OperationsDeps, queues: dict[str, Any], bury: Bury
) -> None:
    """The first word about a letter stands: a copy of it that its sender's crash left changes no count."""
    await _lay(deps, 3)
    replay_id = await _replay(deps)
    await _send_all(replay_id, deps)
    first, second, third = await _sent_events(deps)
    for _ in range(2):
        await _resolve(deps, first, replay_id)
        await bury(second, failed_at=FAILED_AGAIN)
        await gather_dead_letters(deps)
    await bury(second, failed_at="2026-11-22T12:00:00+00:00")
    await gather_dead_letters(deps)
    await _resolve(deps, second, replay_id)
    await send_replays(deps)
    assert await _counts(deps, replay_id) == ("RUNNING", 3, 1, 1, 0)
    await _resolve(deps, third, replay_id)
    await send_replays(deps)
    assert await _counts(deps, replay_id) == ("DONE", 3, 2, 1, 0)


async def test_a_sender_that_dies_in_the_middle_is_gone_on_for(
    deps: OperationsDeps, queues: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """F20: what was claimed and not marked goes out again; the turns that it had used up stay used up."""
    await _lay(deps, 60)
    replay_id = await _replay(deps)
    async with open_deps(deps.settings) as doomed:
        calls = 0

        async def dying(*given: Any) -> list[Confirmation]:
            nonlocal calls
            calls += 1
            outcomes = await Publisher.publish(doomed.publisher, *given)
            if calls == 2:
                raise ConnectionError
            return outcomes

        monkeypatch.setattr(doomed.publisher, "publish", dying)
        with pytest.raises(ConnectionError):
            await send_replays(doomed)
    sent = (await _view(deps, replay_id)).sent
    assert 0 < sent < 60
    await _send_all(replay_id, deps)
    assert await _counts(deps, replay_id) == ("RUNNING", 60, 0, 0, 0)
    assert (await queues["main"].declare()).message_count > 60


async def test_a_turn_is_one_senders_only(deps: OperationsDeps) -> None:
    await _lay(deps, 60)
    replay_id = await _replay(deps, rate=1)
    async with open_deps(deps.settings) as second:
        turns = await asyncio.gather(*(_turn(d, replay_id) for d in (deps, second, deps, second)))
    assert sorted(letters for letters, _ in turns) == [0, 0, 0, 1]


async def _turn(deps: OperationsDeps, replay_id: UUID) -> tuple[int, float]:
    async with deps.db.transaction() as tx:
        turn = await take_turn(tx, replay_id)
    assert turn
    return turn


async def test_a_replay_whose_queue_is_gone_holds_up_no_other(
    deps: OperationsDeps, queues: dict[str, Any]
) -> None:
    """It rests after each refusal, and within a replay what was refused lets the others go first."""
    async with deps.db.transaction() as tx:
        tx.session.add(
            ConsumerRow(name="shelf.gone", service="shelf", release="1", declared_at=deps.clock.now())
        )
    await _lay(deps, 30, consumer="shelf.gone")
    stuck = await _replay(deps, consumer="shelf.gone")
    await _lay(deps, 30)
    healthy = await _replay(deps)
    await _send_all(healthy, deps)
    assert (await _view(deps, stuck)).sent == 0
    refusals = "select max(refusals) from replay_letter where replay_id = :replay"
    assert await query(deps.db, refusals, replay=stuck) == [{"max": 1}]
    rest = "select due_at - clock_timestamp() as rest from replay where id = :replay"
    [row] = await query(deps.db, rest, replay=stuck)
    assert row["rest"] > timedelta(0)


async def test_one_event_of_two_consumers_is_accounted_for_by_each(
    deps: OperationsDeps, queues: dict[str, Any], letters: Letters
) -> None:
    """A returned message is known by its id: the two must not be in flight together."""
    event = new_id()
    async with deps.db.transaction() as tx:
        message = StoredMessage({"message_id": str(event)}, {h.CE_ID: str(event)}, b"{}")
        for consumer in ("shelf.gone", CONSUMER):
            tx.session.add(_row(message, consumer, event))
            await tx.session.flush()
    async with deps.db.transaction() as tx:
        ids = tuple(row.id for row in await letters())
        decided = await replay_dead_letters(
            tx, Selection(ids=ids), clock=deps.clock, actor="olga", reason="", terms=Terms(rate=1000)
        )
    # Both must come into one turn.
    async with deps.db.transaction() as tx:
        await replays.rest(tx.session, decided.replay_id, timedelta(seconds=-1))
    await send_replays(deps)
    assert {row.consumer: row.sent_at is not None for row in await letters()} == {
        CONSUMER: True,
        "shelf.gone": False,
    }


async def test_what_was_decided_before_there_were_replays_goes_on(
    deps: OperationsDeps, queues: dict[str, Any]
) -> None:
    """The migration adopts it, whole: what is sent waits for its consumer, the rest is sent."""
    await _lay(deps, 5)
    replay_id = await _replay(deps)
    migration = import_module("threadly_operations.migrations.versions.0003_replays")
    one = "select id from dead_letter order by id limit 1"
    before = (
        "delete from replay",
        "delete from replay_letter",
        f"update dead_letter set sent_at = now() where id = ({one})",  # noqa: S608 - as written above
    )
    async with deps.db.transaction() as tx:
        for statement in (*before, migration.ADOPT, migration.ADOPT_LETTERS):
            await tx.session.execute(text(statement))
    adopted = (await _view(deps, replay_id)).replay
    assert (adopted.selected, adopted.requested_by, adopted.reason) == (5, "olga", "mended")
    await _send_all(replay_id, deps)
    assert (await queues["main"].declare()).message_count == 4


async def test_no_more_are_out_than_may_be(
    deps: OperationsDeps, queues: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letters may spend an hour on the wait ladder before they have failed again."""
    monkeypatch.setattr("threadly_operations.domain.pace.MOST_OUT", 20)
    await _lay(deps, 60)
    replay_id = await _replay(deps, rate=1000)
    await send_replays(deps)
    assert await _counts(deps, replay_id) == ("RUNNING", 20, 0, 0, 0)
    await _resolve(deps, (await _sent_events(deps))[0], replay_id)
    await send_replays(deps)
    assert await _counts(deps, replay_id) == ("RUNNING", 21, 1, 0, 0)


async def test_a_group_of_which_many_were_resolved_can_still_be_replayed(
    deps: OperationsDeps, queues: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was replayed before does not use up what one decision may take."""
    monkeypatch.setattr("threadly_operations.use_cases.replay_dead_letters.MAX_SELECTION", 2)
    await _lay(deps, 3)
    chosen = [(await _view(deps, await _replay(deps))).replay.selected for _ in range(2)]
    assert chosen == [2, 1]

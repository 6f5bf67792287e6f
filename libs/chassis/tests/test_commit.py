"""The commit point: a transaction's events go with its commit, or neither happens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InternalError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from threadly_chassis.context import ActionContext, begin_action
from threadly_chassis.db import Database, Transaction, is_contention, liveness, pipeline
from threadly_chassis.ids import new_id
from threadly_chassis.outbox import Call
from threadly_chassis.testing import eventually
from threadly_chassis.testing.database import waits_for_a_lock
from threadly_chassis.testing.slow_commit import write_ahead
from threadly_chassis.testing.specimen.service import NoteWritten, write_note

pytestmark = pytest.mark.integration
Cut = Callable[[], Awaitable[None]]


class _Base(DeclarativeBase):
    pass


class _Note(_Base):
    __tablename__ = "note"

    note_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]


async def _counts(db: Database) -> tuple[int, int, int]:
    async with db.read() as session:
        row = (
            await session.execute(
                text(
                    "select (select count(*) from note), (select count(*) from outbox_event), "
                    "(select count(*) from outbox_pending)"
                )
            )
        ).one()
    return (row[0], row[1], row[2])


async def test_events_cost_no_round_trip_of_their_own(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """They travel with the commit: one exchange more than the statements, however many events."""
    exchanges = []
    run = pipeline.run

    async def count(driver: psycopg.AsyncConnection[Any], calls: Sequence[Call]) -> None:
        exchanges.append(len(calls))
        await run(driver, calls)

    monkeypatch.setattr(pipeline, "run", count)
    action = ActionContext()
    begin_action(action)
    async with db.transaction() as tx:
        for note in ("a", "b", "c"):
            await write_note(tx, note)
    begin_action(ActionContext())
    assert action.database_queries == 3
    assert exchanges == [3]
    assert await _counts(db) == (3, 3, 3)


async def test_in_the_order_of_their_publishing(db: Database) -> None:
    async with db.transaction() as tx:
        published = [
            await tx.publish(NoteWritten(note_id="a", says=""), version=version) for version in range(1, 6)
        ]
    async with db.read() as session:
        rows = await session.execute(text("select event_id from outbox_event order by id"))
        assert [row[0] for row in rows] == published


async def test_what_the_session_has_not_written_yet_is_committed_too(db: Database) -> None:
    async with db.transaction() as tx:
        tx.session.add(_Note(note_id="a", version=1))
        await tx.publish(NoteWritten(note_id="a", says=""), version=1)
    assert await _counts(db) == (1, 1, 1)


async def test_a_transaction_may_do_nothing_but_publish(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.publish(NoteWritten(note_id="a", says=""), version=1)
    assert await _counts(db) == (0, 1, 1)


async def test_what_is_written_ahead_waits_for_the_commit(db: Database) -> None:
    """Also when nothing else has begun the transaction."""
    with pytest.raises(LookupError):
        await _ahead_and_away(db)
    assert await _counts(db) == (0, 0, 0)


async def _ahead_and_away(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.publish(NoteWritten(note_id="a", says=""), version=1)
        await write_ahead(tx)
        raise LookupError


async def test_a_constraint_that_is_checked_at_the_commit_undoes_the_events_as_well(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.session.execute(
            text("create table promise (note_id text unique deferrable initially deferred)")
        )

    async def break_it() -> None:
        async with db.transaction() as tx:
            await tx.session.execute(text("insert into promise values ('a'), ('a')"))
            await write_note(tx, "a")

    with pytest.raises(IntegrityError):
        await break_it()
    assert await _counts(db) == (0, 0, 0)
    await _usual(db)


async def test_an_append_that_is_refused_undoes_the_rest(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.session.execute(text("alter table outbox_event add check (agg_id <> 'refused')"))
    with pytest.raises(IntegrityError) as caught:
        await _write(db, "a", "refused")
    assert not is_contention(caught.value)
    assert await _counts(db) == (0, 0, 0)
    await _usual(db)


async def test_an_error_that_was_swallowed_is_not_committed_over(db: Database) -> None:
    """A commit of a transaction that has failed is answered like one that has not."""

    async def swallow() -> None:
        async with db.transaction() as tx:
            await write_note(tx, "a")
            with contextlib.suppress(DataError):
                await tx.session.execute(text("select 1 / 0"))

    with pytest.raises(InternalError):
        await swallow()
    assert await _counts(db) == (0, 0, 0)
    await _usual(db)


async def test_a_line_that_breaks_at_the_commit_is_an_outage_and_empties_the_pool(
    db: Database, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a real one nobody knows whether it was committed; here the server ended before it was asked to."""
    monkeypatch.setattr(liveness, "RESTED", 60.0)
    async with db.transaction() as one, db.transaction() as two:
        old = {await _pid(one), await _pid(two)}

    async def cut_it() -> None:
        async with db.transaction() as tx:
            await write_note(tx, "a")
            await cut()

    with pytest.raises(OperationalError) as caught:
        await cut_it()
    assert isinstance(caught.value.orig, psycopg.OperationalError)
    assert await _counts(db) == (0, 0, 0)
    async with db.transaction() as one, db.transaction() as two:
        assert not {await _pid(one), await _pid(two)} & old
    await _usual(db)


@pytest.fixture
async def writer(url: str) -> AsyncIterator[Database]:
    """A database with one connection, on which everything is prepared: nobody else uses it."""
    writer = Database.at(url, pool_size=1)
    await _write(writer, "before")
    yield writer
    await writer.close()


async def test_who_is_cancelled_at_the_commit_has_it_whole(db: Database, url: str, writer: Database) -> None:
    """A worker that stops: what was sent is answered first, and the connection is as good as before."""
    async with await psycopg.AsyncConnection.connect(url) as other:
        committing = await _held_up(db, writer, other)
        committing.cancel()
        await other.commit()
        with pytest.raises(asyncio.CancelledError):
            await committing
    assert await _counts(db) == (3, 3, 3)
    await _usual(writer)


@pytest.mark.parametrize("cancellations", [1, 2], ids=["without an answer", "cancelled again"])
async def test_who_hangs_up_at_the_commit_does_not_know_but_it_is_whole(
    db: Database, url: str, writer: Database, cancellations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not called off: of a commit that waits for a standby that would be the waiting, not the commit."""
    monkeypatch.setattr(pipeline, "GRACE", 0.1 if cancellations == 1 else 60.0)
    async with await psycopg.AsyncConnection.connect(url) as other:
        committing = await _held_up(db, writer, other)
        for _ in range(cancellations):
            committing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await committing
        assert await waits_for_a_lock(db)
    await eventually(lambda: _has(db, (3, 3, 3)), describe="the commit that was sent")
    await _usual(writer)


async def test_a_large_commit_is_sent_while_answers_are_read(db: Database) -> None:
    """More than the sockets hold, both ways: neither side waits for the other."""
    async with db.transaction() as tx:
        for number in range(1, 201):
            await tx.publish(NoteWritten(note_id=f"n{number}", says="a" * 100_000), version=1)
    assert await _counts(db) == (0, 200, 200)


@pytest.mark.parametrize(("subject", "cancel_key"), [("a\x00b", "key"), ("a", "key\x00of another")])
async def test_text_that_postgresql_cannot_hold_is_refused_whole(
    db: Database, subject: str, cancel_key: str
) -> None:
    """Cut off at its NUL it would be another aggregate's event, or taken back with another's."""

    async def publish() -> None:
        async with db.transaction() as tx:
            await write_note(tx, "b")
            event, due_at = NoteWritten(note_id=subject, says=""), datetime.now(UTC) + timedelta(hours=1)
            await tx.publish(event, version=1, due_at=due_at, cancel_key=cancel_key)

    with pytest.raises(DBAPIError):
        await publish()
    assert await _counts(db) == (0, 0, 0)
    await _usual(db)


async def test_a_connection_in_another_encoding_is_refused(url: str) -> None:
    latin = Database.at(f"{url}?client_encoding=LATIN1")
    try:
        with pytest.raises(DBAPIError, match="UTF-8"):
            await _publish_alone(latin)
    finally:
        await latin.close()


async def test_deadlocks_at_the_commit_are_contention(db: Database) -> None:
    """SQLAlchemy's classes and PostgreSQL's codes, as from any other statement."""
    async with db.transaction() as tx:
        await tx.session.execute(
            text(
                "create function quarrel() returns trigger language plpgsql as "
                "$$ begin raise exception 'lost' using errcode = '40P01'; end $$"
            )
        )
        await tx.session.execute(
            text("create trigger quarrel before insert on outbox_pending execute function quarrel()")
        )
    with pytest.raises(OperationalError) as caught:
        await _write(db, "a")
    assert is_contention(caught.value)
    assert await _counts(db) == (0, 0, 0)


async def test_a_timer_can_be_taken_back_where_it_was_set(db: Database) -> None:
    due_at = datetime.now(UTC) + timedelta(hours=1)
    async with db.transaction() as tx:
        await tx.publish(NoteWritten(note_id="a", says=""), version=1, due_at=due_at, cancel_key="earlier")
    async with db.transaction() as tx:
        for key in ("this", "this", "that"):
            await tx.publish(NoteWritten(note_id="a", says=""), version=1, due_at=due_at, cancel_key=key)
        assert await tx.cancel("this") == 2
        assert await tx.cancel("earlier") == 1
        assert await tx.cancel("unheard of") == 0
    async with db.read() as session:
        assert (await session.execute(text("select cancel_key from outbox_scheduled"))).scalars().all() == [
            "that"
        ]


async def _held_up(db: Database, writer: Database, other: psycopg.AsyncConnection) -> asyncio.Task[None]:
    """A commit of two more notes that waits for a lock of `other`."""
    await other.execute("lock table outbox_pending in access exclusive mode")
    committing = asyncio.create_task(_write(writer, "a", "b"))
    await eventually(lambda: waits_for_a_lock(db), describe="the commit to wait")
    return committing


async def _has(db: Database, counts: tuple[int, int, int]) -> bool:
    return await _counts(db) == counts


async def _publish_alone(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.publish(NoteWritten(note_id="a", says=""), version=1)


async def _write(db: Database, *notes: str) -> None:
    async with db.transaction() as tx:
        for note in notes:
            await write_note(tx, note)


async def _pid(tx: Transaction) -> int:
    return int((await tx.session.execute(text("select pg_backend_pid()"))).scalar_one())


async def _usual(db: Database) -> None:
    """The connection that met the error is as good as new."""
    before = await _counts(db)
    async with db.transaction() as tx:
        await write_note(tx, f"usual {new_id()}")
    assert await _counts(db) == tuple(count + 1 for count in before)

"""A rehearsal says what applying a letter would do, by the real handler on real data, and changes none."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from threadly_chassis.errors import Permanent
from threadly_chassis.messaging import Consumer, Context, Gate, Subscriptions
from threadly_chassis.messaging.dead_letters import fingerprint
from threadly_chassis.messaging.delivery import read
from threadly_chassis.messaging.handling import TransactionalHandling
from threadly_chassis.messaging.rehearsal import Rehearsal, RehearsalOutcome, RowsWritten, WouldPublish
from threadly_chassis.observability.errors import capture
from threadly_chassis.tasks import end_tasks
from threadly_chassis.testing.database import digest, query
from threadly_chassis.testing.rehearsals import as_delivered, letter_of, rehearsed
from threadly_chassis.testing.specimen.harness import Specimen
from threadly_chassis.testing.specimen.service import (
    SUBSCRIPTIONS,
    NoteBurnt,
    NoteWritten,
    SpecimenDeps,
    obey_to_the_end,
    raise_version,
)
from threadly_contracts import Event

pytestmark = pytest.mark.integration

EVERY, NEWEST, WRITER = "specimen.every", "specimen.newest", "specimen.writer"
Outcome = RehearsalOutcome
_ACTIVITY = "select 1 from pg_stat_activity where datname = current_database() and"


class NoteBurntV2(Event, type="threadly.specimen.note_burnt.v2", aggregate="note", subject="note_id"):
    note_id: str


async def _write_more(event: NoteWritten, context: Context[SpecimenDeps]) -> None:
    """Writes, publishes, and leaves something for after the commit; what it says decides how it ends."""
    tx = context.tx
    version = await raise_version(tx, event.note_id)
    await tx.publish(NoteBurnt(note_id=event.note_id), version=version)
    await tx.publish(NoteBurnt(note_id="b"), version=1, due_at=datetime.now(UTC), cancel_key="timer")
    await tx.cancel("timer")
    tx.after_commit(_never)
    match event.says.split():
        case ["hang", "in", "sql"]:
            await tx.session.execute(text("select pg_sleep(60)"))
        case ["hang"]:
            await asyncio.Event().wait()
        case ["past"]:
            await context.deps.db.engine.connect()
        case ["capture"]:
            capture(RuntimeError("someone is to be woken"), kind="consumer")
        case ["read"]:
            async with context.deps.db.read() as session:
                await session.execute(text("delete from note"))


_AT_WORK = asyncio.Event()


async def _slow(event: NoteWritten, _: Context[SpecimenDeps]) -> None:
    _AT_WORK.set()
    await obey_to_the_end(event.says)


async def _compare(event: NoteWritten, context: Context[SpecimenDeps]) -> None:
    """A reader that compares versions by itself, as those that join several owners' events do."""
    await context.tx.session.execute(
        text(
            "insert into note values (:note, :version) on conflict (note_id) do update "
            "set version = excluded.version where note.version < excluded.version or :overrules"
        ),
        {"note": event.note_id, "version": context.version, "overrules": context.overrules},
    )


async def _never() -> None:
    raise AssertionError("nothing was committed")


TABLE = Subscriptions(
    "specimen",
    *SUBSCRIPTIONS,
    Consumer(WRITER, handlers={NoteWritten: _write_more}),
    Consumer("specimen.slow", handlers={NoteWritten: _slow}),
    Consumer("specimen.slow-newest", gate=Gate.LATEST, handlers={NoteWritten: _slow}),
    Consumer("specimen.burnt", handlers={NoteBurntV2: _write_more}),
    Consumer("specimen.careful", gate=Gate.LATEST, handlers={NoteWritten: _compare}),
)


def _note(says: str = "", note: str = "a") -> NoteWritten:
    return NoteWritten(note_id=note, says=says)


async def _ask(specimen: Specimen, consumer: str, message: Any, **rules: Any) -> Rehearsal:
    """Rehearse, and see that every table is what it was."""
    before = await digest(specimen.db)
    said = await _rehearsed(specimen, consumer, message, **rules)
    assert await digest(specimen.db) == before
    return said


async def _rehearsed(specimen: Specimen, consumer: str, message: Any, **rules: Any) -> Rehearsal:
    return await rehearsed(consumer, message, SpecimenDeps(specimen.settings, specimen.db), TABLE, **rules)


async def test_a_handler_runs_on_the_real_data_and_nothing_of_it_lasts(specimen: Specimen) -> None:
    """F42: rows and events as the real thing would make them; no version, no mark, no event afterwards."""
    await specimen.execute("insert into note values ('a', 6)")
    woken: list[int] = []
    specimen.db.on_publish = lambda: woken.append(1)
    message = letter_of(_note())
    for _ in range(2):
        said = await _ask(specimen, WRITER, message)
        assert said == Rehearsal(
            consumer=WRITER,
            outcome=Outcome.WOULD_APPLY,
            rows=(RowsWritten(table="note", inserted=0, updated=1, deleted=0),),
            events=(WouldPublish(type=NoteBurnt.type, subject="a", version=7),),
        )
    assert woken == []


async def test_the_digest_sees_what_the_real_thing_does(specimen: Specimen) -> None:
    before = await digest(specimen.db)
    await _apply(specimen, EVERY, letter_of(_note()))
    after = await digest(specimen.db)
    changed = {name.partition("_")[0] for name in after if before[name] != after[name]}
    assert changed == {"effect", "inbox"}


async def _apply(specimen: Specimen, consumer: str, message: Any) -> None:
    known = TABLE[consumer]
    assert isinstance(known, Consumer)
    handling = TransactionalHandling(known, SpecimenDeps(specimen.settings, specimen.db))
    delivery = as_delivered(message, consumer)
    delivery.headers.pop("t-replay-id")
    await handling.apply([read(delivery, known)])


async def test_what_was_applied_is_a_duplicate(specimen: Specimen) -> None:
    message = letter_of(_note())
    assert (await _ask(specimen, EVERY, message)).outcome is Outcome.WOULD_APPLY
    await _apply(specimen, EVERY, message)
    assert (await _ask(specimen, EVERY, message)).outcome is Outcome.DUPLICATE


async def test_a_reader_of_the_newest_says_what_is_stale_and_jumps_gaps(specimen: Specimen) -> None:
    await _apply(specimen, NEWEST, letter_of(_note(), version=5))
    said = [(await _ask(specimen, NEWEST, letter_of(_note(), version=v))).outcome for v in (4, 5, 9)]
    assert said == [Outcome.STALE, Outcome.STALE, Outcome.WOULD_APPLY]
    forgotten = letter_of(_note(), version=9)
    await _forget(specimen)
    assert (await _ask(specimen, NEWEST, forgotten)).outcome is Outcome.WOULD_APPLY


async def test_what_its_owner_does_not_know_any_more_gives_way_in_a_rehearsal_too(specimen: Specimen) -> None:
    """F29, F42: an event of the owner's new epoch overrules a newer one that was erased."""
    await _apply(specimen, "specimen.careful", letter_of(_note(), version=5))
    said = await _ask(specimen, "specimen.careful", letter_of(_note(), version=4, EPOCH=1))
    assert said.outcome is Outcome.WOULD_APPLY
    assert said.rows == (RowsWritten(table="note", inserted=0, updated=1, deleted=0),)


async def _forget(specimen: Specimen) -> None:
    """Move the inbox's window beyond every event."""
    await specimen.execute("update inbox_window set floor = 'ffffffff-ffff-ffff-ffff-ffffffffffff'")


async def test_who_is_behind_the_inbox_window_is_told(specimen: Specimen) -> None:
    message = letter_of(_note())
    await _forget(specimen)
    said = await _ask(specimen, EVERY, message)
    assert (said.outcome, said.reason, said.permanent) == (Outcome.FAILED, "dedup-window-expired", True)


@pytest.mark.parametrize(
    ("consumer", "message", "reason"),
    [
        (EVERY, letter_of(NoteBurnt(note_id="a")), "unknown-type"),
        ("specimen.burnt", letter_of(NoteBurnt(note_id="a")), "unknown-major"),
        (EVERY, letter_of(_note(), AGGREGATE_VERSION="many"), "undecodable"),
        (
            EVERY,
            replace(letter_of(_note()), body=b"{"),
            "undecodable",
        ),
    ],
)
async def test_what_cannot_be_read_says_why(
    specimen: Specimen, consumer: str, message: Any, reason: str
) -> None:
    said = await _ask(specimen, consumer, message)
    assert (said.outcome, said.reason, said.permanent) == (Outcome.FAILED, reason, True)


async def test_a_failure_has_the_name_that_its_dead_letter_has(specimen: Specimen) -> None:
    for says, permanent, reason in (("permanent", True, "permanent"), ("fail", False, "failed")):
        said = await _ask(specimen, EVERY, letter_of(_note(says)))
        assert (said.outcome, said.permanent, said.reason) == (Outcome.FAILED, permanent, reason)
        assert said.message == "told to"
        with pytest.raises((Permanent, RuntimeError)) as real:
            await _apply(specimen, EVERY, letter_of(_note(says)))
        kind = type(real.value)
        assert said.exception == f"{kind.__module__}.{kind.__qualname__}"
        assert said.fingerprint == fingerprint(real.value)


@pytest.mark.parametrize("says", ["hang", "hang in sql"])
async def test_a_handler_that_hangs_is_cut_off(specimen: Specimen, says: str) -> None:
    """Its locks are free at once, and its connection is none the worse."""
    said = await _ask(specimen, WRITER, letter_of(_note(says)), deadline=0.3)
    assert (said.outcome, said.permanent) == (Outcome.FAILED, False)
    assert said.exception.endswith("DeadlineExceeded")
    await specimen.write("a")
    assert await query(specimen.db, f"{_ACTIVITY} state like 'idle in%'") == []


async def test_it_gives_way_to_live_traffic(specimen: Specimen) -> None:
    """Where live traffic holds a lock, the answer is busy, within a second."""
    await specimen.write("a")
    async with specimen.db.transaction() as tx:
        await raise_version(tx, "a")
        said = await asyncio.wait_for(_rehearsed(specimen, WRITER, letter_of(_note())), timeout=5)
    assert (said.outcome, said.reason) == (Outcome.BUSY, "contention")


@pytest.mark.parametrize("consumer", ["specimen.slow", "specimen.slow-newest"])
async def test_the_same_event_is_applied_while_it_is_rehearsed(specimen: Specimen, consumer: str) -> None:
    """A rehearsal marks nothing and locks no stream: its consumer does not wait for it."""
    _AT_WORK.clear()
    message = letter_of(_note("hang 60"))
    hanging = asyncio.create_task(_rehearsed(specimen, consumer, message, deadline=20))
    await asyncio.wait_for(_AT_WORK.wait(), timeout=20)
    harmless = letter_of(_note(), event_id=message.headers["cloudEvents:id"])
    await asyncio.wait_for(_apply(specimen, consumer, harmless), timeout=5)
    assert not hanging.done()
    await end_tasks(hanging)


async def test_a_handler_finds_no_way_past_its_stage(specimen: Specimen) -> None:
    """F42: neither by the engine nor by a write where it may only read."""
    past = await _ask(specimen, WRITER, letter_of(_note("past")))
    assert (past.outcome, past.exception) == (Outcome.FAILED, "builtins.AttributeError")
    read_only = await _ask(specimen, WRITER, letter_of(_note("read")))
    assert read_only.outcome is not Outcome.WOULD_APPLY
    assert "read-only" in read_only.message


async def test_nobody_is_woken_by_a_rehearsal(specimen: Specimen, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a handler reports to operators is for the real thing; the next report is one again."""
    reported: list[BaseException] = []
    monkeypatch.setattr("sentry_sdk.capture_exception", reported.append)
    assert (await _ask(specimen, WRITER, letter_of(_note("capture")))).outcome is Outcome.WOULD_APPLY
    assert reported == []
    capture(RuntimeError("afterwards"), kind="consumer")
    assert len(reported) == 1


async def test_what_a_commit_would_check_is_checked(specimen: Specimen) -> None:
    await specimen.execute(
        "alter table note add constraint single unique (version) deferrable initially deferred"
    )
    await specimen.execute("insert into note values ('b', 1)")
    said = await _ask(specimen, WRITER, letter_of(_note()))
    assert (said.outcome, said.exception) == (Outcome.FAILED, "sqlalchemy.exc.IntegrityError")


async def test_the_switch_that_makes_a_consumer_fail_is_seen_and_not_used_up(specimen: Specimen) -> None:
    await specimen.execute("insert into consumer_fault values (:c, 'the bank is closed', true, 1)", c=EVERY)
    said = await _ask(specimen, EVERY, letter_of(_note()))
    assert (said.outcome, said.reason) == (Outcome.FAILED, "failed-on-purpose")


async def test_nobody_can_be_asked_about_anothers_consumer(specimen: Specimen) -> None:
    said = await _ask(specimen, "specimen.nobody", letter_of(_note()))
    assert (said.outcome, said.reason) == (Outcome.REFUSED, "unknown-consumer")

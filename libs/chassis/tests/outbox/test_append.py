"""Appending to the outbox: what is written, what is refused, what never leaves."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pamqp import encode
from pydantic import ValidationError

from threadly_chassis.context import ActionContext, begin_action
from threadly_chassis.http.problems import status_of
from threadly_chassis.observability.metrics import EVENTS_APPENDED
from threadly_chassis.observability.tracing import configure_tracing, span
from threadly_chassis.outbox import EventTooLarge
from threadly_chassis.outbox.append import (
    _OTHER_HEADERS_BYTES,
    MAX_BODY_BYTES,
    MAX_HEADER_BYTES,
    prepare_append,
    shard_of,
)
from threadly_chassis.outbox.message import to_message
from threadly_chassis.testing import eventually
from threadly_chassis.testing.rows import row_of
from threadly_chassis.testing.specimen.harness import Specimen
from threadly_chassis.testing.specimen.service import NoteWritten

pytestmark = pytest.mark.integration


async def test_the_row_has_the_ids_of_the_action_and_of_its_trace(specimen: Specimen) -> None:
    configure_tracing("test", "")
    begin_action(ActionContext(correlation_id="request-1", causation_id="message-1"))
    with span("writing") as current:
        await specimen.write("a", says="hello")
        trace_id = f"{current.get_span_context().trace_id:032x}"
    begin_action(ActionContext())
    [(event_id, shard, version, headers, payload)] = await specimen.query(
        "select event_id, shard, agg_version, headers, payload from outbox_event"
    )
    assert json.loads(payload) == {"note_id": "a", "says": "hello"}
    assert (event_id.version, shard, version) == (7, shard_of("a"), 1)
    assert headers.pop("traceparent").split("-")[1] == trace_id
    assert headers == {
        "cloudEvents:correlationid": "request-1",
        "cloudEvents:causationid": "message-1",
        "t-epoch": 0,
    }


async def test_what_no_column_says_is_little_outside_an_action(specimen: Specimen) -> None:
    await specimen.write("a")
    assert await specimen.query("select headers from outbox_event") == [({"t-epoch": 0},)]


async def test_a_body_over_256_kib_is_refused_and_one_at_the_limit_is_not(specimen: Specimen) -> None:
    frame = len(NoteWritten(note_id="a", says="").model_dump_json())
    async with specimen.db.transaction() as tx:
        await tx.publish(NoteWritten(note_id="a", says="x" * (MAX_BODY_BYTES - frame)), version=1)
    with pytest.raises(EventTooLarge, match="262145 bytes"):
        async with specimen.db.transaction() as tx:
            await tx.publish(NoteWritten(note_id="a", says="x" * (MAX_BODY_BYTES - frame + 1)), version=2)
    assert await specimen.pending() == 1


def test_a_client_whose_event_is_too_large_is_told_so() -> None:
    """Not "something went wrong on our side": a shorter text will do."""
    assert status_of(EventTooLarge("threadly.specimen.note_written.v1: the body has 262145 bytes")) == 413


async def test_an_event_is_counted_when_it_is_committed_and_not_before(specimen: Specimen) -> None:
    counter = EVENTS_APPENDED.labels(NoteWritten.type)
    before = counter._value.get()
    with contextlib.suppress(ZeroDivisionError):
        async with specimen.db.transaction() as tx:
            await tx.publish(NoteWritten(note_id="a", says=""), version=1)
            raise ZeroDivisionError
    assert counter._value.get() == before
    async with specimen.db.transaction() as tx:
        await tx.publish(NoteWritten(note_id="a", says=""), version=1)
        assert counter._value.get() == before
    assert counter._value.get() == before + 1


async def test_headers_over_16_kib_are_refused(specimen: Specimen) -> None:
    with pytest.raises(EventTooLarge, match="headers"):
        async with specimen.db.transaction() as tx:
            await tx.publish(NoteWritten(note_id="n" * 16_384, says=""), version=1)


def test_the_longest_subject_fits_with_all_that_the_relay_adds() -> None:
    """The bound is checked before the other headers are made: the room that is left for them suffices."""
    longest = MAX_HEADER_BYTES - _OTHER_HEADERS_BYTES - len("{}")
    prepare_append(NoteWritten(note_id="n" * longest, says=""), version=1)
    with pytest.raises(EventTooLarge, match="headers"):
        prepare_append(NoteWritten(note_id="n" * (longest + 1), says=""), version=1)
    headers = to_message(row_of(NoteWritten(note_id="n" * longest, says=""), 1)).properties.headers
    assert len(encode.field_table(headers or {})) <= MAX_HEADER_BYTES


async def test_an_event_built_around_validation_is_refused(specimen: Specimen) -> None:
    crooked_fields: dict[str, Any] = {"note_id": "a", "says": 7}
    crooked = NoteWritten.model_construct(**crooked_fields)
    with pytest.raises(ValidationError):
        async with specimen.db.transaction() as tx:
            await tx.publish(crooked, version=1)
    assert await specimen.pending() == 0


async def test_nothing_of_a_rolled_back_transaction_is_ever_sent(specimen: Specimen) -> None:
    """F01: roll back 30 % of the transactions after the append; no ghost reaches any queue."""
    rolled_back: set[UUID] = set()

    async def write_and_maybe_fail(number: int) -> None:
        async with specimen.db.transaction() as tx:
            event_id = await tx.publish(NoteWritten(note_id=f"note-{number}", says=""), version=1)
            if number % 10 < 3:
                rolled_back.add(event_id)
                raise ZeroDivisionError

    async with specimen.working():
        results = await asyncio.gather(*map(write_and_maybe_fail, range(100)), return_exceptions=True)
        assert sum(isinstance(result, ZeroDivisionError) for result in results) == 30
        await eventually(lambda: _all_applied(specimen, 70), describe="70 effects")
        await eventually(lambda: _drained(specimen), describe="an empty outbox")
    applied = {row[0] for row in await specimen.query("select event_id from effect")}
    assert applied == await specimen.appended()
    assert not applied & rolled_back
    assert len(rolled_back) == 30


async def _all_applied(specimen: Specimen, count: int) -> bool:
    return len(await specimen.effects()) == count


async def _drained(specimen: Specimen) -> bool:
    return await specimen.pending() == 0


async def test_a_scheduled_event_leaves_when_it_is_due(specimen: Specimen) -> None:
    async with specimen.working():
        await eventually(lambda: _drained(specimen), describe="the worker's own events are sent")
        due_at = datetime.now(UTC) + timedelta(seconds=1)
        async with specimen.db.transaction() as tx:
            await tx.publish(NoteWritten(note_id="later", says=""), version=1, due_at=due_at)
        assert await specimen.pending() == 0
        await specimen.write("now")
        effects = await eventually(lambda: _effects(specimen, 2), describe="both effects")
    assert [note for note, _ in effects] == ["now", "later"]
    assert datetime.now(UTC) >= due_at


async def _effects(specimen: Specimen, count: int) -> Any:
    effects = await specimen.effects()
    assert len(effects) == count, effects
    return effects


async def test_a_cancelled_scheduled_event_never_leaves(specimen: Specimen) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    async with specimen.db.transaction() as tx:
        event = NoteWritten(note_id="never", says="")
        await tx.publish(event, version=1, due_at=soon, cancel_key="reminder:1")
        await tx.publish(event, version=2, due_at=soon, cancel_key="reminder:2")
    async with specimen.db.transaction() as tx:
        assert await tx.cancel("reminder:1") == 1
    async with specimen.working():
        assert await eventually(lambda: _effects(specimen, 1)) == [("never", 2)]
    assert await specimen.query("select 1 from outbox_scheduled") == []

"""The specimen's events, rules and subscriptions. What a note says decides how its handlers end."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import text

from threadly_contracts import Event

from ...db import Database, Transaction
from ...errors import Permanent, Retryable
from ...messaging import Consumer, Context, EffectConsumer, EffectContext, Gate, Subscriptions
from ...settings import ServiceSettings

_RAISE_VERSION = text(
    "insert into note (note_id, version) values (:note_id, 1) "
    "on conflict (note_id) do update set version = note.version + 1 returning version"
)
_LOG_EFFECT = text(
    "insert into effect (consumer, event_id, note_id, version, text, attempt) "
    "values (:consumer, :event_id, :note_id, :version, :text, :attempt)"
)


class SpecimenSettings(ServiceSettings):
    service: ClassVar[str] = "specimen"

    #: A file that gets a line per delivery before its handler does anything; what is written to it outlives
    #: the process, however that dies.
    deliveries: str = ""


@dataclass(frozen=True)
class SpecimenDeps:
    settings: SpecimenSettings
    db: Database


class NoteWritten(Event, type="threadly.specimen.note_written.v1", aggregate="note", subject="note_id"):
    """`says` steers the handlers; what is not among these is applied.

    `permanent`, `fail`, `fail until attempt <n>`, `hang <seconds>`, and `die`: the process in which
    "specimen.every" handles it is gone at once, without a word.
    """

    note_id: str
    says: str


class NoteBurnt(Event, type="threadly.specimen.note_burnt.v1", aggregate="note", subject="note_id"):
    """An event that nobody consumes."""

    note_id: str


async def raise_version(tx: Transaction, note_id: str) -> int:
    """Write a note; returns its new version."""
    return int((await tx.session.execute(_RAISE_VERSION, {"note_id": note_id})).scalar_one())


async def write_note(tx: Transaction, note_id: str, says: str = "") -> int:
    """Write a note and publish that it was written; returns the note's new version."""
    version = await raise_version(tx, note_id)
    await tx.publish(NoteWritten(note_id=note_id, says=says), version=version)
    return version


def note_delivery(consumer: str, event: NoteWritten, context: EffectContext[SpecimenDeps]) -> None:
    """Write down that a handler was given an event, before it does anything."""
    path = context.deps.settings.deliveries
    if not path:
        return
    line = {
        "consumer": consumer,
        "pid": os.getpid(),
        "event_id": str(context.event_id),
        "note_id": event.note_id,
        "version": context.version,
        "attempt": context.attempt,
        "at": time.time(),
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


async def obey_to_the_end(says: str) -> None:
    """Die or hang when the note says so."""
    if says == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if says.startswith("hang "):
        await asyncio.sleep(float(says.rpartition(" ")[2]))


def obey(says: str, attempt: int) -> None:
    """Fail when the note says so."""
    if says == "permanent":
        raise Permanent("told to")
    if says == "fail":
        raise RuntimeError("told to")
    if says.startswith("fail until attempt ") and attempt < int(says.rpartition(" ")[2]):
        raise Retryable("told to wait")


async def log_effect(tx: Transaction, consumer: str, event: NoteWritten, context: EffectContext[Any]) -> None:
    """Write down that a consumer was here."""
    effect = {
        "consumer": consumer,
        "event_id": context.event_id,
        "note_id": event.note_id,
        "version": context.version,
        "text": event.says,
        "attempt": context.attempt,
    }
    await tx.session.execute(_LOG_EFFECT, effect)


async def _note(event: NoteWritten, context: Context[SpecimenDeps]) -> None:
    note_delivery("specimen.every", event, context)
    # The write comes first, so that a failing note proves that it was rolled back.
    await log_effect(context.tx, "specimen.every", event, context)
    await obey_to_the_end(event.says)
    obey(event.says, context.attempt)


async def _newest(event: NoteWritten, context: Context[SpecimenDeps]) -> None:
    note_delivery("specimen.newest", event, context)
    await log_effect(context.tx, "specimen.newest", event, context)


async def _outside(event: NoteWritten, context: EffectContext[SpecimenDeps]) -> None:
    note_delivery("specimen.outside", event, context)
    obey(event.says, context.attempt)
    async with context.deps.db.transaction() as tx:
        await log_effect(tx, "specimen.outside", event, context)


SUBSCRIPTIONS = Subscriptions(
    "specimen",
    Consumer("specimen.every", handlers={NoteWritten: _note}),
    Consumer("specimen.newest", gate=Gate.LATEST, handlers={NoteWritten: _newest}),
    EffectConsumer("specimen.outside", handlers={NoteWritten: _outside}),
)


@asynccontextmanager
async def open_deps(settings: SpecimenSettings) -> AsyncIterator[SpecimenDeps]:
    """Open the specimen's one dependency."""
    db = Database.open(settings)
    try:
        yield SpecimenDeps(settings=settings, db=db)
    finally:
        await db.close()

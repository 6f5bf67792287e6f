"""The specimen one release later, as a rolling deployment meets it: `python -m ….specimen.newer`.

Its events have an optional field more, and a second major of which the release before knows nothing.
"""

from ...db import Transaction
from ...messaging import Consumer, Context, EffectConsumer, EffectContext, Gate, Subscriptions
from ...worker import run_worker
from .service import (
    NoteWritten,
    SpecimenDeps,
    SpecimenSettings,
    log_effect,
    note_delivery,
    open_deps,
    raise_version,
)


class NoteWrittenWithMood(
    NoteWritten, type="threadly.specimen.note_written.v1", aggregate="note", subject="note_id"
):
    """The same major: what is new has a default."""

    mood: str = "calm"


class NoteWrittenAnew(
    NoteWritten, type="threadly.specimen.note_written.v2", aggregate="note", subject="note_id"
):
    """The next major: what is new is needed."""

    language: str


async def write_newer_note(tx: Transaction, note_id: str, *, major: int) -> None:
    """Write a note and publish it as the new release does, in one major or the other."""
    version = await raise_version(tx, note_id)
    if major == 1:
        await tx.publish(NoteWrittenWithMood(note_id=note_id, says="", mood="gay"), version=version)
    else:
        await tx.publish(NoteWrittenAnew(note_id=note_id, says="", language="la"), version=version)


Either = NoteWrittenWithMood | NoteWrittenAnew


async def _every(event: Either, context: Context[SpecimenDeps]) -> None:
    note_delivery("specimen.every", event, context)
    await log_effect(context.tx, "specimen.every", event, context)


async def _newest(event: Either, context: Context[SpecimenDeps]) -> None:
    note_delivery("specimen.newest", event, context)
    await log_effect(context.tx, "specimen.newest", event, context)


async def _outside(event: Either, context: EffectContext[SpecimenDeps]) -> None:
    note_delivery("specimen.outside", event, context)
    async with context.deps.db.transaction() as tx:
        await log_effect(tx, "specimen.outside", event, context)


SUBSCRIPTIONS = Subscriptions(
    "specimen",
    Consumer("specimen.every", handlers={NoteWrittenWithMood: _every, NoteWrittenAnew: _every}),
    Consumer(
        "specimen.newest", gate=Gate.LATEST, handlers={NoteWrittenWithMood: _newest, NoteWrittenAnew: _newest}
    ),
    EffectConsumer("specimen.outside", handlers={NoteWrittenWithMood: _outside, NoteWrittenAnew: _outside}),
)


def main() -> None:
    """Run it, as the environment says."""
    run_worker(SpecimenSettings(), open_deps=open_deps, subscriptions=SUBSCRIPTIONS)


if __name__ == "__main__":
    main()

"""Rehearsing letters of a strict stream: whose turn it is, and what is in the way."""

import pytest

from threadly_chassis.messaging.gathering import StoredMessage, stored
from threadly_chassis.messaging.rehearsal import Rehearsal, RehearsalOutcome
from threadly_chassis.testing.database import digest
from threadly_chassis.testing.rehearsals import letter_of, rehearsed
from threadly_chassis.testing.specimen.ordered import Ordered
from threadly_chassis.testing.specimen.service import NoteWritten, SpecimenDeps
from threadly_chassis.testing.specimen.strict import ORDERED, STRICT

pytestmark = pytest.mark.integration
Outcome = RehearsalOutcome


async def _ask(ordered: Ordered, message: StoredMessage) -> Rehearsal:
    specimen = ordered.specimen
    before = await digest(specimen.db)
    said = await rehearsed(ORDERED, message, SpecimenDeps(specimen.settings, specimen.db), STRICT)
    assert await digest(specimen.db) == before
    return said


def _note(version: int, says: str = "") -> StoredMessage:
    return letter_of(NoteWritten(note_id="a", says=says), version=version)


async def test_an_aggregate_that_was_never_met_begins_at_its_first_version(ordered: Ordered) -> None:
    assert (await _ask(ordered, _note(1))).outcome is Outcome.WOULD_APPLY
    said = await _ask(ordered, _note(3))
    assert (said.outcome, said.reason) == (Outcome.PARKED, "gap")
    assert (
        await _ask(ordered, letter_of(NoteWritten(note_id="a", says=""), version=3, FROM_VERSION=1))
    ).outcome is (Outcome.WOULD_APPLY)


async def test_behind_a_head_all_but_the_head_is_parked(ordered: Ordered) -> None:
    """The head is what a replay would heal; as long as it is not healed, nothing else has its turn."""
    await ordered.write("a", "", "needs a plaster", "")
    async with ordered.working():
        [dead] = await ordered.dead()
        await ordered.parked("a", 1)
    head = stored(dead)
    said = await _ask(ordered, head)
    assert (said.outcome, said.message) == (Outcome.FAILED, "needs a plaster")
    await ordered.cure("a plaster")
    assert (await _ask(ordered, head)).outcome is Outcome.WOULD_APPLY
    said = await _ask(ordered, _note(4))
    assert (said.outcome, said.reason) == (Outcome.PARKED, "head")
    said = await _ask(ordered, _note(1))
    assert (said.outcome, said.reason, said.permanent) == (Outcome.FAILED, "version-taken", True)
    said = await _ask(ordered, letter_of(NoteWritten(note_id="a", says=""), version=9, EPOCH=1))
    assert (said.outcome, said.reason) == (Outcome.PARKED, "head")
    async with ordered.working():
        await ordered.replay(dead)
        await ordered.applied("a", 1, 2, 3)
    assert (await _ask(ordered, head)).outcome is Outcome.DUPLICATE
    said = await _ask(ordered, letter_of(NoteWritten(note_id="a", says=""), version=4, EPOCH=1))
    assert said.outcome is Outcome.WOULD_APPLY
    said = await _ask(ordered, letter_of(NoteWritten(note_id="a", says=""), version=3, EPOCH=1))
    assert (said.outcome, said.reason, said.permanent) == (Outcome.FAILED, "forked", True)

"""What reaches outside is noted and not done; where its answer is needed the rehearsal ends."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import pytest

from threadly_chassis.cache import Cache
from threadly_chassis.clock import Clock
from threadly_chassis.db import Database
from threadly_chassis.messaging import Context, EffectConsumer, EffectContext, Subscriptions
from threadly_chassis.messaging.rehearsal import Rehearsal, RehearsalOutcome, RowsWritten, WouldCall
from threadly_chassis.messaging.shapes import in_short
from threadly_chassis.messaging.stubs import Unclassified, outside_ports
from threadly_chassis.messaging.subscriptions import Consumer
from threadly_chassis.reach import Inside, Outside
from threadly_chassis.testing.database import digest
from threadly_chassis.testing.rehearsals import letter_of, rehearsed
from threadly_chassis.testing.specimen.harness import Specimen
from threadly_chassis.testing.specimen.service import NoteWritten, SpecimenSettings, log_effect

RINGER, TELLER = "specimen.ringer", "specimen.teller"
Outcome = RehearsalOutcome


class Bell(Protocol):
    size: int

    async def ring(self, note: str, times: int) -> None: ...

    def oil(self) -> None: ...

    async def ask(self, note: str) -> str: ...


@dataclass
class LoudBell:
    """The effect ledger: what was really done."""

    size: int = 1
    ledger: list[str] = field(default_factory=list)

    async def ring(self, note: str, times: int) -> None:
        self.ledger.append(f"{note} {times}")

    def oil(self) -> None:
        self.ledger.append("oiled")

    async def ask(self, note: str) -> str:
        self.ledger.append(f"asked {note}")
        return note


@dataclass(frozen=True)
class HouseDeps:
    settings: SpecimenSettings
    db: Database
    bell: Outside[Bell]


async def _ring(event: NoteWritten, context: EffectContext[HouseDeps]) -> None:
    bell = context.deps.bell
    bell.oil()
    await bell.ring(event.note_id, times=2)
    async with context.deps.db.transaction() as tx:
        await log_effect(tx, RINGER, event, context)
    match event.says:
        case "ask":
            await _ask(bell, event)
        case "ask whatever happens":
            try:
                await bell.ask(event.note_id)
            except Exception:  # noqa: BLE001 - what is not to help it
                await bell.ring(event.note_id, times=9)
        case "ask together":
            async with asyncio.TaskGroup() as group:
                group.create_task(_ask(bell, event))
        case "look":
            await bell.ring(event.note_id, times=bell.size)
        case "kick":
            bell.kick()  # type: ignore[attr-defined]
        case _:
            await bell.ring(event.note_id, times=3)


async def _ask(bell: Bell, event: NoteWritten) -> None:
    await bell.ring(await bell.ask(event.note_id), times=9)


async def _tell(event: NoteWritten, context: Context[HouseDeps]) -> None:
    """A handler of the other kind, which should not call outside at all."""
    await log_effect(context.tx, TELLER, event, context)
    await context.deps.bell.ring(event.note_id, times=1)


TABLE = Subscriptions(
    "specimen",
    EffectConsumer(RINGER, handlers={NoteWritten: _ring}),
    Consumer(TELLER, handlers={NoteWritten: _tell}),
)


@pytest.fixture
def bell() -> LoudBell:
    return LoudBell()


async def _say(specimen: Specimen, bell: LoudBell, says: str, consumer: str = RINGER) -> Rehearsal:
    """Rehearse, and see that every table and the bell are what they were."""
    before = await digest(specimen.db)
    letter = letter_of(NoteWritten(note_id="a", says=says))
    said = await rehearsed(consumer, letter, HouseDeps(specimen.settings, specimen.db, bell), TABLE)
    assert await digest(specimen.db) == before
    assert bell.ledger == []
    return said


_OILED = WouldCall(port="bell", method="oil", arguments="")


def _rung(times: int) -> WouldCall:
    return WouldCall(port="bell", method="ring", arguments=f"str(1), times={times}")


_LOGGED = (RowsWritten(table="effect", inserted=1, updated=0, deleted=0),)


@pytest.mark.integration
async def test_effects_are_noted_and_the_handler_goes_on(specimen: Specimen, bell: LoudBell) -> None:
    """F42: calls that answer nothing end no rehearsal; rows of the handler's own transactions are told."""
    said = await _say(specimen, bell, "")
    assert said.outcome is Outcome.WOULD_APPLY
    assert said.calls == (_OILED, _rung(2), _rung(3))
    assert said.rows == _LOGGED
    # The bell is no dummy: called for real it rings.
    await HouseDeps(specimen.settings, specimen.db, bell).bell.ring("a", 1)
    assert bell.ledger == ["a 1"]


@pytest.mark.integration
@pytest.mark.parametrize("says", ["ask", "ask whatever happens", "ask together"])
async def test_where_an_answer_is_needed_it_ends(specimen: Specimen, bell: LoudBell, says: str) -> None:
    said = await _say(specimen, bell, says)
    assert said.outcome is Outcome.UNFINISHED
    assert said.calls == (_OILED, _rung(2), WouldCall(port="bell", method="ask", arguments="str(1)"))
    assert said.rows == _LOGGED


@pytest.mark.integration
async def test_what_a_port_is_like_only_the_port_knows(specimen: Specimen, bell: LoudBell) -> None:
    said = await _say(specimen, bell, "look")
    assert (said.outcome, said.calls[-1].method) == (Outcome.UNFINISHED, "size")
    said = await _say(specimen, bell, "kick")
    assert (said.outcome, said.message) == (Outcome.FAILED, "Bell has no kick")


@pytest.mark.integration
async def test_no_kind_of_handler_reaches_outside(specimen: Specimen, bell: LoudBell) -> None:
    said = await _say(specimen, bell, "", TELLER)
    assert (said.outcome, said.calls, said.rows) == (Outcome.WOULD_APPLY, (_rung(1),), _LOGGED)


@pytest.mark.integration
async def test_an_effect_that_was_done_is_a_duplicate(specimen: Specimen, bell: LoudBell) -> None:
    letter = letter_of(NoteWritten(note_id="a", says=""))
    await specimen.execute(
        "insert into inbox (consumer, event_id) values (:c, :id)",
        c=RINGER,
        id=letter.headers["cloudEvents:id"],
    )
    said = await rehearsed(RINGER, letter, HouseDeps(specimen.settings, specimen.db, bell), TABLE)
    assert (said.outcome, said.calls) == (Outcome.DUPLICATE, ())


@dataclass(frozen=True)
class CarelessDeps:
    settings: SpecimenSettings
    db: Database
    clock: Clock
    cursors: Inside[dict[str, str]]
    bell: Bell


@pytest.mark.integration
async def test_it_refuses_where_nobody_has_said_what_reaches_outside(
    specimen: Specimen, bell: LoudBell
) -> None:
    """F42, closed by default: a port without a mark is never called."""
    before = await digest(specimen.db)
    deps: Any = CarelessDeps(specimen.settings, specimen.db, None, {}, bell)  # type: ignore[arg-type]
    said = await rehearsed(RINGER, letter_of(NoteWritten(note_id="a", says="")), deps, TABLE)
    assert (said.outcome, said.reason) == (Outcome.REFUSED, "unclassified")
    assert "CarelessDeps: bell" in said.message
    assert bell.ledger == []
    assert await digest(specimen.db) == before


def test_marks_are_read_from_the_declaration() -> None:
    assert outside_ports(HouseDeps) == {"bell": Bell}
    with pytest.raises(Unclassified, match="bell"):
        outside_ports(CarelessDeps)
    with pytest.raises(Unclassified, match="no dataclass"):
        outside_ports(int)


async def test_a_cache_answers_what_decides_nothing() -> None:
    from threadly_chassis.messaging.stubs import Calls, CurtainFell, Stub  # noqa: PLC0415

    calls = Calls()
    cache: Any = Stub("cache", Cache, calls)
    assert await cache.invalidate_tags("a", "b") == 0
    with pytest.raises(CurtainFell):
        await cache.evict("*")
    assert [call.method for call in calls.made] == ["invalidate_tags", "evict"]


def test_arguments_are_shown_without_what_they_say() -> None:
    """Ids, numbers and shapes; what may be about people is a length."""
    someone = UUID("01890000-0000-7000-8000-000000000001")
    mail = {"to": "ada@example.com", "id": f"<{someone}@threadly.example>", "lines": ["Dear Ada", 3, None]}
    shown = in_short([someone, f"private-user-{someone}", "pi_3PqXy12", mail], {"urgent": True})
    assert shown == (
        f"{someone}, private-user-{someone}, pi_3PqXy12, "
        f"{{to: str(15), id: <{someone}@threadly.example>, lines: [str(8), 3, None]}}, urgent=True"
    )
    without_a_digit = "pi_kDIGiDGBujuqbedSLKDiqLYi"
    assert in_short([without_a_digit, "no_words_of_anybody_are_shown"], {}) == f"{without_a_digit}, str(29)"
    assert "Ada" not in in_short(["Ada Lovelace", b"Ada", LoudBell(ledger=["Ada"] * 9)], {})
    assert in_short([list(range(50))], {}).endswith("7, 42 more]")
    assert len(in_short(["a" * 9] * 500, {})) < 310

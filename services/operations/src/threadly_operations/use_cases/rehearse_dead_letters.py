"""Ask the consumers of dead letters what a replay would do, letter by letter; nothing is replayed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from threadly_chassis.clock import Clock
from threadly_chassis.db import Database
from threadly_chassis.errors import NotFound, Unavailable
from threadly_chassis.messaging.asking import Asker, Letter
from threadly_chassis.messaging.gathering import StoredMessage
from threadly_chassis.messaging.rehearsal import Rehearsal, RehearsalOutcome

from ..domain.status import Status
from ..storage import audit, dead_letters
from ..storage.dead_letters import Selection
from ..storage.tables import DeadLetterRow

#: Letters whose bodies are in memory at once.
_AT_ONCE = 100
#: The reason of a letter with which its process died five times; its rehearsal could end a worker, too.
_CRASH_LOOP = "crash-loop"


class NobodyRehearses(Unavailable):
    """No worker of the letters' consumers has answered; nothing is known and nothing was done."""

    code = "nobody_rehearses"
    title = "No worker has answered"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A letter, and what its consumer says of it."""

    dead_letter_id: UUID
    rehearsal: Rehearsal


async def rehearse_dead_letters(
    db: Database,
    asker: Asker,
    selection: Selection,
    *,
    clock: Clock,
    actor: str,
    limit: int,
    seconds: float,
) -> list[Rehearsed]:
    """Have the selected letters rehearsed, the oldest first, and write down who wanted to know.

    Of a group only what is open, of ids whatever their status. Each letter is rehearsed by itself. What has
    not been answered after `seconds` is said to be so. Raises `NotFound` when nothing fits, `BrokerAway`, and
    `NobodyRehearses` when not one was answered.
    """
    # Of a group only what is open: that is what its replay would take.
    wanted = selection if selection.ids else replace(selection, status=Status.OPEN)
    async with db.transaction() as tx:
        chosen = await dead_letters.oldest(tx.session, wanted, limit=limit)
        if not chosen:
            raise NotFound("No dead letter fits.")
        await audit.write_down(
            tx.session, chosen, actor=actor, action="rehearse", reason="", now=clock.now(), replay_id=None
        )
    said = await _ask(db, asker, chosen, by_id=bool(selection.ids), seconds=seconds)
    if all(each.rehearsal.outcome is RehearsalOutcome.UNANSWERED for each in said):
        why = said[0].rehearsal.message
        raise NobodyRehearses(f"{why[:1].upper()}{why[1:]}.", retry_after=30)
    return said


async def _ask(
    db: Database, asker: Asker, chosen: Sequence[UUID], *, by_id: bool, seconds: float
) -> list[Rehearsed]:
    clock = asyncio.get_running_loop().time
    end, silent = clock() + seconds, set[str]()
    said: list[Rehearsed] = []
    for first in range(0, len(chosen), _AT_ONCE):
        async with db.read() as session:
            rows = await dead_letters.of(session, chosen[first : first + _AT_ONCE])
        asked = [row for row in rows if by_id or row.reason != _CRASH_LOOP]
        letters = [Letter(row.consumer, _message(row)) for row in asked]
        answers = await asker.ask(letters, silent=silent, seconds=end - clock())
        found = {row.id: answer for row, answer in zip(asked, answers, strict=True)}
        said += [Rehearsed(row.id, found.get(row.id) or _spared(row)) for row in rows]
    return said


def _message(row: DeadLetterRow) -> StoredMessage:
    return StoredMessage(row.properties, row.headers, row.body)


def _spared(row: DeadLetterRow) -> Rehearsal:
    return Rehearsal(
        consumer=row.consumer,
        outcome=RehearsalOutcome.REFUSED,
        reason=_CRASH_LOOP,
        message="its process died with it; name it by its id to risk a worker",
    )

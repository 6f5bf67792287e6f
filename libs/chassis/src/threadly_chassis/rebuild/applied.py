"""What a reader was sent by a rebuild, noted in the transaction that applied it."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from threadly_contracts import owner_of

from ..messaging.delivery import Received

# The newest version sent of each aggregate. `handled` says that its handler ran; otherwise something newer
# had been applied, and the verdict looks at when.
_NOTE = text("""
insert into rebuild_applied as a (rebuild_id, owner, agg_type, agg_id, epoch, version, handled)
select n.*
from unnest(
    cast(:rebuilds as uuid[]), cast(:owners as text[]), cast(:types as text[]), cast(:ids as text[]),
    cast(:epochs as int[]), cast(:versions as bigint[]), cast(:handled as boolean[])
) as n (rebuild_id, owner, agg_type, agg_id, epoch, version, handled)
join rebuild_reader r on r.rebuild_id = n.rebuild_id and r.state = 'running'
order by n.rebuild_id, n.owner, n.agg_type, n.agg_id
on conflict (rebuild_id, owner, agg_type, agg_id) do update set
    epoch = case when (excluded.epoch, excluded.version) > (a.epoch, a.version)
                 then excluded.epoch else a.epoch end,
    version = case when (excluded.epoch, excluded.version) > (a.epoch, a.version)
                   then excluded.version else a.version end,
    handled = case when (excluded.epoch, excluded.version) > (a.epoch, a.version) then excluded.handled
                   when (excluded.epoch, excluded.version) = (a.epoch, a.version)
                   then a.handled or excluded.handled
                   else a.handled end,
    noted_at = clock_timestamp()
""")


@dataclass(slots=True)
class _Note:
    epoch: int
    version: int
    handled: bool

    def take(self, other: "_Note") -> None:
        """Keep the newer of two; of the same version, whether either was handled."""
        mine, theirs = (self.epoch, self.version), (other.epoch, other.version)
        if theirs > mine:
            self.epoch, self.version, self.handled = other.epoch, other.version, other.handled
        elif theirs == mine:
            self.handled = self.handled or other.handled


_Key = tuple[UUID, str, str, str]


def _notes(batch: Iterable[tuple[Received, str]]) -> dict[_Key, _Note]:
    notes: dict[_Key, _Note] = {}
    for received, outcome in batch:
        envelope = received.envelope
        if envelope.rebuild_id is None:
            continue
        key = (envelope.rebuild_id, owner_of(envelope.type), envelope.aggregate, envelope.subject)
        note = _Note(envelope.epoch, envelope.version, outcome == "applied")
        notes.setdefault(key, note).take(note)
    return notes


async def note_applied(session: AsyncSession, batch: Iterable[tuple[Received, str]]) -> None:
    """Note those of a batch that a running rebuild sent, each with its outcome in this transaction."""
    notes = _notes(batch)
    if notes:
        await session.execute(
            _NOTE,
            {
                "rebuilds": [key[0] for key in notes],
                "owners": [key[1] for key in notes],
                "types": [key[2] for key in notes],
                "ids": [key[3] for key in notes],
                "epochs": [note.epoch for note in notes.values()],
                "versions": [note.version for note in notes.values()],
                "handled": [note.handled for note in notes.values()],
            },
        )

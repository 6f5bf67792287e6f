"""Reading and changing dead letters."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVarTuple
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.db import ReadSession, WriteSession
from threadly_chassis.ids import new_id

from ..domain.dead_letter import read_story
from ..domain.status import Status
from .tables import DeadLetterRow

if TYPE_CHECKING:  # it brings the broker's client along, which the command line does not need
    from threadly_chassis.messaging.gathering import StoredMessage


Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters are meant; every part that is given must fit."""

    ids: tuple[UUID, ...] = ()
    consumer: str | None = None
    fingerprint: str | None = None
    status: Status | None = None

    def narrow(self, query: Select[*Columns]) -> Select[*Columns]:
        """Add this selection's conditions to a query over dead letters."""
        if self.ids:
            query = query.where(DeadLetterRow.id.in_(self.ids))
        for column, wanted in (
            (DeadLetterRow.consumer, self.consumer),
            (DeadLetterRow.fingerprint, self.fingerprint),
            (DeadLetterRow.status, self.status),
        ):
            if wanted is not None:
                query = query.where(column == wanted)
        return query


class Standing(NamedTuple):
    """Where a letter stands, without its body."""

    letter: UUID
    status: Status
    row_version: int


class InReplay(NamedTuple):
    """A letter, and the replay that it was last taken into."""

    letter: UUID
    replay_id: UUID | None


async def newest(
    session: ReadSession, selection: Selection, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[DeadLetterRow]:
    """The selected letters, newest first, from after the row that `before` names."""
    query = selection.narrow(select(DeadLetterRow))
    if before:
        query = query.where(tuple_(DeadLetterRow.created_at, DeadLetterRow.id) < before)
    query = query.order_by(DeadLetterRow.created_at.desc(), DeadLetterRow.id.desc()).limit(limit)
    return list(await session.scalars(query))


async def oldest(session: ReadSession, selection: Selection, *, limit: int) -> list[UUID]:
    """The ids of the selected letters, oldest first."""
    query = selection.narrow(select(DeadLetterRow.id)).order_by(DeadLetterRow.id).limit(limit)
    return list(await session.scalars(query))


async def of(session: ReadSession, ids: Sequence[UUID]) -> list[DeadLetterRow]:
    """These letters, oldest first."""
    query = select(DeadLetterRow).where(DeadLetterRow.id.in_(ids)).order_by(DeadLetterRow.id)
    return list(await session.scalars(query))


async def lock(session: WriteSession, selection: Selection, *, limit: int) -> list[DeadLetterRow]:
    """Lock the selected letters, oldest first, so that two operators take turns."""
    query = selection.narrow(select(DeadLetterRow)).order_by(DeadLetterRow.id).limit(limit)
    return list(await session.scalars(query.with_for_update()))


async def lock_standings(session: WriteSession, selection: Selection, *, limit: int) -> list[Standing]:
    """Lock as `lock` does; where each letter stands, without the bodies of up to a hundred thousand."""
    query = selection.narrow(select(DeadLetterRow.id, DeadLetterRow.status, DeadLetterRow.row_version))
    rows = await session.execute(query.order_by(DeadLetterRow.id).limit(limit).with_for_update())
    return [Standing(letter, Status(status), row_version) for letter, status, row_version in rows]


async def groups(session: ReadSession) -> Sequence[Any]:
    """Open letters counted by consumer and kind of failure, most first."""
    count = func.count().label("count")
    query = (
        select(
            DeadLetterRow.consumer,
            DeadLetterRow.fingerprint,
            func.min(DeadLetterRow.reason).label("reason"),
            func.min(DeadLetterRow.exception).label("exception"),
            count,
            func.min(DeadLetterRow.created_at).label("oldest"),
        )
        .where(DeadLetterRow.status == Status.OPEN)
        .group_by(DeadLetterRow.consumer, DeadLetterRow.fingerprint)
        .order_by(count.desc())
        .limit(500)
    )
    return (await session.execute(query)).all()


async def take_in(
    session: WriteSession, consumer: str, message: "StoredMessage", now: datetime
) -> InReplay | None:
    """Store a dead letter; one that comes back joins its row and opens it again.

    Returns None when nothing changed: the same death was delivered twice.
    """
    story = asdict(read_story(message.headers, message.body))
    fresh = story | {
        "status": Status.OPEN,
        "properties": dict(message.properties),
        "headers": dict(message.headers),
        "body": message.body,
        "updated_at": now,
    }
    statement = (
        insert(DeadLetterRow)
        .values(id=new_id(), consumer=consumer, occurrences=1, row_version=1, created_at=now, **fresh)
        .on_conflict_do_update(
            index_elements=["consumer", "message_key"],
            set_=fresh
            | {
                "occurrences": DeadLetterRow.occurrences + 1,
                "row_version": DeadLetterRow.row_version + 1,
                "sent_at": None,
            },
            where=DeadLetterRow.last_failed_at.is_distinct_from(story["last_failed_at"]),
        )
        .returning(DeadLetterRow.id, DeadLetterRow.replay_id)
    )
    row = (await session.execute(statement)).one_or_none()
    return InReplay(*row) if row else None


async def resolve(session: WriteSession, consumer: str, message_key: str, now: datetime) -> InReplay | None:
    """Mark a letter as resolved; None when it is not known here."""
    statement = (
        update(DeadLetterRow)
        .where(DeadLetterRow.consumer == consumer, DeadLetterRow.message_key == message_key)
        .values(status=Status.RESOLVED, updated_at=now, row_version=DeadLetterRow.row_version + 1)
        .returning(DeadLetterRow.id, DeadLetterRow.replay_id)
    )
    row = (await session.execute(statement)).one_or_none()
    return InReplay(*row) if row else None

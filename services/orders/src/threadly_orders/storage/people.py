"""How buyers and sellers are called."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.db import ReadSession, WriteSession

from .tables import Person


async def store(session: WriteSession, person_id: UUID, name: str) -> None:
    """Keep a person's present name."""
    statement = (
        insert(Person)
        .values(id=person_id, name=name)
        .on_conflict_do_update(index_elements=[Person.id], set_={"name": name})
    )
    await session.execute(statement)


async def names(session: ReadSession, ids: Collection[UUID]) -> dict[UUID, str]:
    """The names of so many people, in one query."""
    rows = await session.execute(select(Person.id, Person.name).where(Person.id.in_(ids)))
    return {person_id: name for person_id, name in rows}  # noqa: C416 - dict(rows) does not type-check

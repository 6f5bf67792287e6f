"""Reading and changing edits of letters."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_

from threadly_chassis.db import ReadSession, WriteSession

from ..domain.edit import EditStatus
from .tables import DeadLetterRow, LetterEditRow


@dataclass(frozen=True, slots=True)
class EditView:
    """An edit, and what its letter is now."""

    edit: LetterEditRow
    consumer: str
    event_type: str
    message_key: str
    row_version: int

    @property
    def is_stale(self) -> bool:
        """Whether it was proposed and its letter has changed since: it cannot be approved any more."""
        return self.edit.status == EditStatus.PROPOSED and self.edit.row_version != self.row_version


_VIEW = select(
    LetterEditRow,
    DeadLetterRow.consumer,
    DeadLetterRow.event_type,
    DeadLetterRow.message_key,
    DeadLetterRow.row_version,
).join(DeadLetterRow, DeadLetterRow.id == LetterEditRow.dead_letter_id)


async def view(session: ReadSession, edit_id: UUID) -> EditView | None:
    """One edit as it stands; None when there is none of this id."""
    row = (await session.execute(_VIEW.where(LetterEditRow.id == edit_id))).one_or_none()
    return EditView(*row) if row else None


async def newest(
    session: ReadSession,
    *,
    letter: UUID | None = None,
    status: EditStatus | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[EditView]:
    """Edits, newest first, from after the row that `before` names; of a letter, of a status, or of all."""
    query = _VIEW
    if letter:
        query = query.where(LetterEditRow.dead_letter_id == letter)
    if status:
        query = query.where(LetterEditRow.status == status)
    if before:
        query = query.where(tuple_(LetterEditRow.edited_at, LetterEditRow.id) < before)
    query = query.order_by(LetterEditRow.edited_at.desc(), LetterEditRow.id.desc()).limit(limit)
    return [EditView(*row) for row in await session.execute(query)]


async def lock(session: WriteSession, edit_id: UUID) -> tuple[LetterEditRow, DeadLetterRow] | None:
    """Lock an edit and its letter, so that whoever decides about either of them takes turns."""
    query = select(LetterEditRow, DeadLetterRow).join(
        DeadLetterRow, DeadLetterRow.id == LetterEditRow.dead_letter_id
    )
    row = (await session.execute(query.where(LetterEditRow.id == edit_id).with_for_update())).one_or_none()
    return (row[0], row[1]) if row else None

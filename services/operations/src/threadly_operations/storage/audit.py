"""The audit trail: only ever added to."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert

from threadly_chassis.db import WriteSession
from threadly_chassis.ids import new_id

from .tables import AuditRow


async def write_down(  # noqa: PLR0913 - an entry's parts
    session: WriteSession,
    letters: Iterable[UUID | None],
    *,
    actor: str,
    action: str,
    reason: str,
    now: datetime,
    replay_id: UUID | None,
    edit_id: UUID | None = None,
) -> None:
    """Write down who did what to each of the letters, and why; None stands for the whole replay."""
    entry = {
        "at": now,
        "actor": actor,
        "action": action,
        "reason": reason,
        "replay_id": replay_id,
        "edit_id": edit_id,
    }
    entries = [entry | {"id": new_id(), "dead_letter_id": letter} for letter in letters]
    await session.execute(insert(AuditRow), entries)

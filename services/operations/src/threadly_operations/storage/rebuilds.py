"""Reading and changing rebuilds."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.db import ReadSession, WriteSession

from ..domain.rebuild import UNDER_WAY, RebuildStatus
from .tables import ConsumerRow, RebuildPartRow, RebuildRow


@dataclass(frozen=True, slots=True)
class RebuildView:
    """A rebuild with its parts, one for each owner that is heard of."""

    rebuild: RebuildRow
    parts: tuple[RebuildPartRow, ...]

    @property
    def is_under_way(self) -> bool:
        """Whether more may be said of it."""
        return self.rebuild.status in UNDER_WAY


async def known_consumers(session: ReadSession) -> list[str]:
    """The names of all consumers that workers have declared."""
    return list(await session.scalars(select(ConsumerRow.name).order_by(ConsumerRow.name)))


async def under_way(session: WriteSession, consumer: str) -> RebuildRow | None:
    """Lock the consumer, and return the rebuild of it that has not ended."""
    await session.get(ConsumerRow, consumer, with_for_update=True)
    query = select(RebuildRow).where(RebuildRow.consumer == consumer, RebuildRow.status.in_(UNDER_WAY))
    return (await session.scalars(query.order_by(RebuildRow.requested_at.desc()).limit(1))).first()


async def view(session: ReadSession, rebuild_id: UUID) -> RebuildView | None:
    """One rebuild as it stands."""
    rebuild = await session.get(RebuildRow, rebuild_id, populate_existing=True)
    if rebuild is None:
        return None
    return RebuildView(rebuild, await _parts(session, rebuild_id))


async def newest(session: ReadSession, limit: int) -> list[RebuildView]:
    """The newest rebuilds."""
    rows = await session.scalars(select(RebuildRow).order_by(RebuildRow.requested_at.desc()).limit(limit))
    return [RebuildView(row, await _parts(session, row.id)) for row in rows]


async def _parts(session: ReadSession, rebuild_id: UUID) -> tuple[RebuildPartRow, ...]:
    query = select(RebuildPartRow).where(RebuildPartRow.rebuild_id == rebuild_id)
    return tuple(await session.scalars(query.order_by(RebuildPartRow.service)))


async def move(
    session: WriteSession,
    rebuild_id: UUID,
    status: RebuildStatus,
    *,
    ended_at: datetime | None = None,
    reason: str = "",
) -> bool:
    """Change how a rebuild stands unless it has ended; returns whether it was changed."""
    statement = (
        update(RebuildRow)
        .where(RebuildRow.id == rebuild_id, RebuildRow.status.in_(UNDER_WAY))
        .values(status=status, ended_at=ended_at, reason=reason)
        .returning(RebuildRow.id)
    )
    return (await session.execute(statement)).first() is not None


async def expect_parts(session: WriteSession, rebuild_id: UUID, services: Iterable[str]) -> None:
    """Note who will send."""
    for service in services:
        await note_part(session, rebuild_id, service)


async def note_part(
    session: WriteSession,
    rebuild_id: UUID,
    service: str,
    *,
    sent: int = 0,
    total: int | None = None,
    verdict: str = "",
) -> None:
    """Take in what is said of one owner's part; nothing goes back by news that comes late."""
    table = RebuildPartRow
    values = {"sent": sent, "total": total, "verdict": verdict}
    statement = insert(table).values(rebuild_id=rebuild_id, service=service, **values)
    new = statement.excluded
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[table.rebuild_id, table.service],
            set_={
                "sent": func.greatest(table.sent, new.sent),
                "total": func.coalesce(new.total, table.total),
                "verdict": func.coalesce(func.nullif(new.verdict, ""), table.verdict),
            },
        )
    )

"""The checkouts that are over."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.db import WriteSession

from .tables import EndedCheckoutRow


async def is_over(session: WriteSession, checkout_id: UUID) -> bool:
    """Whether a checkout's end or sale was heard of."""
    found = select(EndedCheckoutRow.checkout_id).where(EndedCheckoutRow.checkout_id == checkout_id)
    return await session.scalar(found) is not None


async def remember_end(session: WriteSession, checkout_id: UUID, ended_at: datetime, *, sold: bool) -> None:
    """Remember that a checkout is over."""
    statement = insert(EndedCheckoutRow).values(checkout_id=checkout_id, sold=sold, ended_at=ended_at)
    await session.execute(statement.on_conflict_do_nothing())


async def forget_ended(session: WriteSession, before: datetime) -> int:
    """Forget the ends of before a moment; returns how many there were."""
    gone = await session.scalars(
        delete(EndedCheckoutRow)
        .where(EndedCheckoutRow.ended_at < before)
        .returning(EndedCheckoutRow.checkout_id)
    )
    return len(gone.all())

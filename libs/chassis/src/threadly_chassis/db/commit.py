"""The one commit point: a transaction's events and its commit travel to PostgreSQL in one round trip.

So no row lock is held while an insert's answer is awaited, and the events' ids are drawn just before the
commit: the gap that a slow business transaction used to hold open, and every relay to look back over, is a
moment. It costs a little less of the processor, too (ADR 23).
"""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from ..outbox import Append
from .dialect import going_along


async def commit(session: AsyncSession, appends: Sequence[Append]) -> None:
    """Write the events and commit; raises `DBAPIError` as SQLAlchemy's own `commit` does.

    Nothing is committed then, unless it is the line to the server that broke: that leaves it open.
    """
    with going_along([append.call for append in appends]) as calls:
        await session.commit()
        if calls:
            # The database had not been asked for anything: there was no transaction to commit yet.
            await session.connection()
            await session.commit()

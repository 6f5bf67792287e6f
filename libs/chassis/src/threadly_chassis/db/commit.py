"""The one commit point: a transaction's events and its commit travel to PostgreSQL in one round trip.

So no row lock is held while an insert's answer is awaited, and the events' ids are drawn just before the
commit: the gap that a slow business transaction used to hold open, and every relay to look back over, is a
moment. It costs a little less of the processor, too (ADR 23).
"""

import time
from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from ..outbox import Append
from .epoch import epoch_of
from .instrument import note_query


async def commit(session: AsyncSession, appends: Sequence[Append]) -> None:
    """Write the events and commit; raises `DBAPIError` as SQLAlchemy's own `commit` does.

    Nothing is committed then, unless it is the line to the server that broke: that leaves it open.
    """
    if appends:
        await _append_and_commit(session, appends)
    # After the above only SQLAlchemy still has a transaction: the driver sees that the server has none.
    await session.commit()


async def _append_and_commit(session: AsyncSession, appends: Sequence[Append]) -> None:
    driver, epoch = await session.run_sync(_flushed)
    began = time.perf_counter()
    try:
        # On an error PostgreSQL skips the rest of a pipeline: the commit does not happen without the events.
        async with driver.pipeline(), driver.cursor() as cursor:
            for append in appends:
                await cursor.execute(append.statement, append.values_in(epoch))
            await cursor.execute("commit")
    except psycopg.Error as error:
        raise DBAPIError.instance("append and commit", None, error, psycopg.Error) from error
    finally:
        note_query(time.perf_counter() - began)


def _flushed(session: Session) -> tuple[Any, int]:
    """The driver's own connection, when the session has nothing left to write, and its epoch."""
    session.flush()
    return session.connection().connection.driver_connection, epoch_of(session)

"""The one commit point: a transaction's events and its commit travel to PostgreSQL in one round trip.

So no row lock is held while an insert's answer is awaited, and the events' ids are drawn just before the
commit: the gap that a slow business transaction used to hold open, and every relay to look back over, is a
moment. It costs a little less of the processor, too (ADR 23).
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from ..outbox import Append, Call
from . import pipeline
from .instrument import note_query


async def commit(session: AsyncSession, appends: Sequence[Append]) -> None:
    """Write the events and commit; raises `DBAPIError` as SQLAlchemy's own `commit` does.

    Nothing is committed then, unless it is the line to the server that broke: that leaves it open.
    """
    if appends:
        await session.run_sync(_append_and_commit, [append.call for append in appends])
    else:
        await session.commit()


def _append_and_commit(session: Session, calls: Sequence[Call]) -> None:
    session.flush()
    # SQLAlchemy's door to the driver; its types do not say so.
    pooled: Any = session.connection().connection
    began = time.perf_counter()
    try:
        pooled.dbapi_connection.run_async(lambda driver: pipeline.run(driver, calls))
    except psycopg.Error as error:
        raise DBAPIError.instance("append and commit", None, error, psycopg.Error) from error
    except asyncio.CancelledError:
        if pooled.driver_connection.closed:
            # Else closing the session would ask it for a rollback, and that error hide the cancellation.
            session.invalidate()
        raise
    finally:
        note_query(time.perf_counter() - began)
    # Now only SQLAlchemy still has a transaction: the driver sees that the server has none.
    session.commit()

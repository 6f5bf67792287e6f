"""SQLAlchemy's dialect for psycopg, `postgresql+threadly://`, for tasks that may be cancelled anywhere.

A commit goes out by our pipeline, and takes calls along: it must not be called off, and psycopg answers the
cancellation of its task with a cancel request (`pipeline` says what that does to a commit). And a connection
that is being made read-only is closed when that is cancelled.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Self

import psycopg
from sqlalchemy import URL
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg
from sqlalchemy.engine.interfaces import DBAPIConnection

from ..outbox import Call
from . import pipeline

NAME: Final = "threadly"

#: What the next commit of the task takes along; SQLAlchemy hands a dialect nothing but the connection.
_calls: ContextVar[list[Call] | None] = ContextVar("threadly_commit_calls", default=None)


@contextmanager
def going_along(calls: list[Call]) -> Iterator[list[Call]]:
    """Let the next commit of this task begin with `calls`; the list is empty once that is under way."""
    token = _calls.set(calls)
    try:
        yield calls
    finally:
        _calls.reset(token)


class Dialect(PGDialectAsync_psycopg):
    """Commits by `pipeline.run`; leaves no connection half changed."""

    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> type[Self]:  # noqa: ARG003 - SQLAlchemy's signature
        """This one: psycopg's would name its own."""
        return cls

    def do_commit(self, dbapi_connection: DBAPIConnection) -> None:
        """Send what goes along and the commit in one round trip; raises `psycopg.Error`."""
        connection: Any = dbapi_connection
        waiting = _calls.get() or []
        calls = waiting.copy()
        waiting.clear()
        connection.run_async(lambda driver: _commit(driver, calls))

    def set_readonly(self, connection: Any, value: bool) -> None:  # noqa: FBT001 - SQLAlchemy's signature
        """Make a connection read-only, or writable again; cancelled, it closes it.

        SQLAlchemy notes that it has to be undone when this has returned. psycopg sets it first and yields to
        a busy loop then: who was cancelled there (F21's long form) left the pool a connection that refused
        every write for half an hour.
        """
        try:
            super().set_readonly(connection, value)  # type: ignore[no-untyped-call]
        except asyncio.CancelledError:
            connection.driver_connection.pgconn.finish()
            raise


async def _commit(driver: psycopg.AsyncConnection[Any], calls: Sequence[Call]) -> None:
    try:
        await pipeline.run(driver, calls)
    except psycopg.Error:
        # SQLAlchemy takes a commit that failed for the end of the transaction; this one was never reached.
        if not driver.closed:
            await driver.rollback()
        raise


registry.register(f"postgresql.{NAME}", __name__, Dialect.__name__)

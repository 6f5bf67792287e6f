"""SQLAlchemy's dialect for psycopg, except that its commit goes out by our pipeline and takes calls along.

It is `postgresql+threadly://`. Only the commit is ours, for only a commit must not be called off: psycopg
answers the cancellation of its task with a cancel request (`pipeline` says what that does to a commit).
"""

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
    """Commits by `pipeline.run`."""

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


async def _commit(driver: psycopg.AsyncConnection[Any], calls: Sequence[Call]) -> None:
    try:
        await pipeline.run(driver, calls)
    except psycopg.Error:
        # SQLAlchemy takes a commit that failed for the end of the transaction; this one was never reached.
        if not driver.closed:
            await driver.rollback()
        raise


registry.register(f"postgresql.{NAME}", __name__, Dialect.__name__)

"""Statements and a commit in one round trip, by libpq's pipeline mode.

psycopg has a pipeline, too. Here it is driven by hand, with `psycopg.pq`, its door to libpq, for two reasons.
A task that is cancelled in psycopg's sends a cancel request: a commit that waits for its synchronous standby
stops waiting, is shown to the relay, and is gone when that standby is promoted (ADR 24). And psycopg's asks
the socket for each statement, and converts what is in the right form already: a third of an event (ADR 23).
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from ..outbox import Call

#: Seconds for which a cancelled task still waits for the answer.
GRACE: Final = 5.0


async def run(driver: psycopg.AsyncConnection[Any], calls: Sequence[Call], *, commit: bool = True) -> None:
    """Execute the calls in order and commit; after an error PostgreSQL skips the rest, the commit included.

    Raises `psycopg.Error`: nothing is committed then, unless it is the line that broke. A task that is
    cancelled raises `CancelledError` once it has its answer: the commit happened, or nothing did. Cancelled
    again, or `GRACE` seconds later without an answer, it closes the connection and does not know.
    """
    pgconn = driver.pgconn
    if pgconn.parameter_status(b"client_encoding") != b"UTF8":
        raise psycopg.NotSupportedError(f"this connection speaks {driver.info.encoding}, not UTF-8")
    is_idle = pgconn.transaction_status == TransactionStatus.IDLE
    if is_idle and not calls:
        return
    try:
        pgconn.enter_pipeline_mode()
        if is_idle:
            # psycopg begins with the first statement that goes through it: there was none.
            pgconn.send_query_params(b"begin", None)
        for call in calls:
            formats = [Format.BINARY] * len(call.values)
            pgconn.send_query_params(call.statement, call.values, param_formats=formats)
        if commit:
            pgconn.send_query_params(b"commit", None)
        pgconn.pipeline_sync()
        await _Answers(pgconn).take()
    finally:
        if pgconn.pipeline_status:
            # In the middle of an exchange, without a way back.
            pgconn.finish()


class _Answers:
    """What comes back of one pipeline."""

    def __init__(self, pgconn: PGconn) -> None:
        self._pgconn = pgconn
        self._is_sending = bool(pgconn.flush())
        self._error: psycopg.Error | None = None
        self._cancelled: asyncio.CancelledError | None = None
        self._deadline: float | None = None

    async def take(self) -> None:
        """Take all, and leave the pipeline mode; raises the first error among them."""
        while not await self._is_end():
            pass
        self._pgconn.exit_pipeline_mode()
        if failed := self._cancelled or self._error:
            raise failed

    async def _is_end(self) -> bool:
        while self._is_sending or self._pgconn.is_busy():
            await self._wait()
            self._move()
        result = self._pgconn.get_result()
        if result is None:
            if self._pgconn.status != ConnStatus.OK:
                raise self._error or psycopg.OperationalError(self._pgconn.get_error_message())
            return False
        self._note(result)
        return result.status == ExecStatus.PIPELINE_SYNC

    def _note(self, result: PGresult) -> None:
        if result.status == ExecStatus.FATAL_ERROR and self._error is None:
            self._error = error_from_result(result)

    def _move(self) -> None:
        """Read what has come, and send what there is room for."""
        try:
            self._pgconn.consume_input()
            self._is_sending = self._is_sending and bool(self._pgconn.flush())
        except psycopg.Error as broken:
            # A server that hangs up says why before.
            raise self._error or broken from None

    async def _wait(self) -> None:
        try:
            await _ready(self._pgconn.socket, to_send=self._is_sending, deadline=self._deadline)
        except asyncio.CancelledError as cancelled:
            if self._cancelled is not None:
                raise
            self._cancelled = cancelled
            self._deadline = asyncio.get_running_loop().time() + GRACE


async def _ready(socket: int, *, to_send: bool, deadline: float | None) -> None:
    """Wait until there is something to read or, `to_send`, room to write.

    Past the deadline, by the loop's clock, it raises `CancelledError`.
    """
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(socket, wake)
    if to_send:
        loop.add_writer(socket, wake)
    end = loop.call_at(deadline, ready.cancel) if deadline is not None else None
    try:
        await ready
    finally:
        loop.remove_reader(socket)
        if to_send:
            loop.remove_writer(socket)
        if end is not None:
            end.cancel()

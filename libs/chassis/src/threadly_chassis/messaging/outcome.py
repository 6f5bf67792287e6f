"""What becomes of a message: decided here, from the exception alone, and nowhere else."""

import asyncio
from collections.abc import Awaitable
from enum import Enum, auto

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..errors import Permanent

#: Seconds a handler may take; far below the broker's consumer timeout of 30 minutes.
HANDLER_DEADLINE = 60.0

#: SQLSTATEs after which the same statements may succeed at once: serialization failure, deadlock,
#: lock not available, statement cancelled (`lock_timeout` and `statement_timeout` end there).
_TRANSIENT_STATES = {"40001", "40P01", "55P03", "57014"}
#: Classes and states that mean the database itself is away: connection exceptions, shutdowns, too many
#: clients, read-only after a failover, disk full.
_OUTAGE_CLASSES = ("08", "57P")
_OUTAGE_STATES = {"53300", "53100", "25006"}


class Outcome(Enum):
    """The closed set of ends that one try can have."""

    DONE = auto()
    """Applied, or found to be a duplicate or stale: acknowledge."""
    TRY_AGAIN = auto()
    """A local hiccup: again in this process, a few times, then as `RETRY`."""
    RETRY = auto()
    """Down the wait ladder; past its end, to the dead letters."""
    DEAD_LETTER = auto()
    """No later try could end better."""
    OUTAGE = auto()
    """Not the message's fault: stop, keep it, and wait until the database is back."""


def outcome_of(error: BaseException) -> Outcome:
    """Map what a handler raised to what becomes of its message.

    Cancellation is not among them: a cancelled try has no outcome, the broker delivers again.
    """
    if isinstance(error, Permanent):
        return Outcome.DEAD_LETTER
    if isinstance(error, PoolTimeout):
        return Outcome.TRY_AGAIN
    if isinstance(error, DBAPIError):
        return _of_database(error)
    return Outcome.RETRY


def _of_database(error: DBAPIError) -> Outcome:
    state = getattr(error.orig, "sqlstate", None) or ""
    if state in _TRANSIENT_STATES:
        return Outcome.TRY_AGAIN
    if error.connection_invalidated or state.startswith(_OUTAGE_CLASSES) or state in _OUTAGE_STATES:
        return Outcome.OUTAGE
    if not state and isinstance(error, (OperationalError, InterfaceError)):
        # psycopg gives no SQLSTATE when there was no server to send one.
        return Outcome.OUTAGE
    return Outcome.RETRY


class DeadlineExceeded(TimeoutError):
    """A handler took longer than it may."""


async def within_deadline(handling: Awaitable[None], deadline: float = HANDLER_DEADLINE) -> None:
    """Await a handler's coroutine; raises `DeadlineExceeded` after `deadline` seconds."""
    timeout = asyncio.timeout(deadline)
    try:
        async with timeout:
            await handling
    except TimeoutError as error:
        if timeout.expired():
            raise DeadlineExceeded(f"the handler took longer than {deadline:g} s") from error
        raise

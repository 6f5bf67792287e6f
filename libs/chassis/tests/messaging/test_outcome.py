"""One line per kind of error: what becomes of the message."""

import asyncio

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from threadly_chassis.errors import Conflict, Permanent, Retryable
from threadly_chassis.messaging.delivery import Undecodable, UnknownMajor, UnknownType
from threadly_chassis.messaging.outcome import DeadlineExceeded, Outcome, outcome_of, within_deadline


def _database(kind: type[DBAPIError], original: BaseException, *, invalidated: bool = False) -> DBAPIError:
    return kind("select 1", None, original, connection_invalidated=invalidated)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Retryable("later"), Outcome.RETRY),
        (RuntimeError("a bug"), Outcome.RETRY),
        (Conflict("a rule"), Outcome.RETRY),
        (ConnectionError("a provider is away"), Outcome.RETRY),
        (DeadlineExceeded("slow"), Outcome.RETRY),
        (Permanent("never"), Outcome.DEAD_LETTER),
        (Undecodable("not JSON"), Outcome.DEAD_LETTER),
        (UnknownType("what"), Outcome.DEAD_LETTER),
        (UnknownMajor("v9"), Outcome.DEAD_LETTER),
        (PoolTimeout(), Outcome.TRY_AGAIN),
        (_database(OperationalError, psycopg.errors.DeadlockDetected()), Outcome.TRY_AGAIN),
        (_database(OperationalError, psycopg.errors.SerializationFailure()), Outcome.TRY_AGAIN),
        (_database(OperationalError, psycopg.errors.LockNotAvailable()), Outcome.TRY_AGAIN),
        (_database(OperationalError, psycopg.errors.QueryCanceled()), Outcome.TRY_AGAIN),
        (_database(IntegrityError, psycopg.errors.UniqueViolation()), Outcome.RETRY),
        (_database(OperationalError, psycopg.OperationalError("connection refused")), Outcome.OUTAGE),
        (_database(OperationalError, psycopg.errors.AdminShutdown()), Outcome.OUTAGE),
        (_database(OperationalError, psycopg.errors.TooManyConnections()), Outcome.OUTAGE),
        (_database(DBAPIError, psycopg.errors.DiskFull()), Outcome.OUTAGE),
        (_database(DBAPIError, psycopg.InterfaceError("closed"), invalidated=True), Outcome.OUTAGE),
    ],
    ids=lambda value: (
        type(getattr(value, "orig", value)).__name__ if isinstance(value, Exception) else value.name
    ),
)
def test_outcome(error: Exception, outcome: Outcome) -> None:
    assert outcome_of(error) is outcome


async def test_a_handler_that_hangs_is_cut_off_and_named() -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlineExceeded, match=r"longer than 0\.01 s"):
        await within_deadline(hangs(), 0.01)


async def test_a_handlers_own_timeout_is_not_taken_for_the_deadline() -> None:
    async def times_out() -> None:
        raise TimeoutError("the provider's")

    with pytest.raises(TimeoutError, match="the provider's") as caught:
        await within_deadline(times_out(), 10)
    assert not isinstance(caught.value, DeadlineExceeded)

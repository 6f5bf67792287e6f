"""Which database errors mean that the same request may well succeed a moment later."""

import psycopg
from sqlalchemy.exc import DBAPIError

#: serialization_failure, deadlock_detected, lock_not_available: PostgreSQL undid the one to save the other
#: (PostgreSQL manual, appendix A; §13.5.1 asks applications to try again).
_CONTENTION = {"40001", "40P01", "55P03"}


def is_contention(error: DBAPIError) -> bool:
    """Whether PostgreSQL undid the transaction only because another one was in its way."""
    return isinstance(error.orig, psycopg.Error) and error.orig.sqlstate in _CONTENTION

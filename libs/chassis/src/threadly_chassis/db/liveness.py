"""Asking a pooled connection whether it lives: only one that has rested.

SQLAlchemy's own `pool_pre_ping` asks at every checkout, a round trip a transaction. A connection that was
used a moment ago is most likely alive; when it is not, its first statement fails, SQLAlchemy empties the
pool, and whoever retries (a consumer, a client that got 503) meets a new one.
"""

import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

#: Seconds of rest after which a connection is asked: well under what a server's restart takes.
RESTED = 1.0
_SINCE = "threadly_rests_since"


def ask_rested(engine: Engine) -> None:
    """Replace a connection, and with it the pool, that has rested and does not answer."""

    @event.listens_for(engine, "checkin")
    def rest(_: Any, record: Any) -> None:
        record.info[_SINCE] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: Any, record: Any, _: Any) -> None:
        since = record.info.get(_SINCE)
        if since is None or time.monotonic() - since < RESTED:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            if engine.dialect.is_disconnect(error, connection, None):
                raise InvalidatePoolError from error
            raise

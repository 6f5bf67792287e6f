"""The epoch of a database's history, raised by itself when a server begins another history.

PostgreSQL counts a new timeline with every promotion and every point-in-time restore, and a dump is restored
under another system identifier. Each new connection of the pool compares both with the row that came along
with the data, before anybody may use it. A promoted server has new connections only, so nothing is appended
there in the old epoch (`outbox_append` reads the row). What cannot be seen is a volume's snapshot that is put
back in place: neither number changes (docs/runbooks/failover.md).
"""

from typing import Any

import psycopg
from sqlalchemy import Engine, event

from ..observability.logging import get_logger

#: Minutes before the newest event of the log from which on events may be gone: an event's id is older than
#: its commit by as long as its transaction takes, and by what the clocks of two machines differ.
MARGIN_MINUTES = 5

# Of many connections at once the first raises it; the others wait for the row and find it done. On a standby
# it fails as an outage does (25006): a connection to one would survive its promotion without having looked.
# The clock is in it for two restores of one backup: counted by one, both would be the same epoch. Minutes of
# Unix time fit the column for some thousand years.
_RAISE = f"""
update outbox_epoch as o set
    epoch = greatest(o.epoch + 1, trunc(extract(epoch from clock_timestamp()) / 60)::integer),
    system_identifier = s.system_identifier, timeline = s.timeline,
    since = least(
        case when o.announced_at is null then o.since end,
        coalesce((select created_at from outbox_event order by id desc limit 1), to_timestamp(0))
            - interval '{MARGIN_MINUTES} minutes'
    ),
    raised_at = clock_timestamp(), announced_at = null
from (
    select system_identifier,
           ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer as timeline
    from pg_control_system()
) s
where (o.system_identifier, o.timeline) is distinct from (s.system_identifier, s.timeline)
returning o.epoch
"""  # noqa: S608 - a constant of this file

_log = get_logger(__name__)


def keep_epoch(engine: Engine) -> None:
    """Let each new connection of `engine` raise the epoch if the server has begun another history."""

    @event.listens_for(engine, "connect")
    def look(connection: Any, _: Any) -> None:
        try:
            _look(connection)
        except BaseException:
            # SQLAlchemy gives up a connection whose listener fails without closing it.
            connection.close()
            raise


def _look(connection: Any) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute(_RAISE)
        raised = cursor.fetchone()
    except psycopg.errors.UndefinedTable:
        # Not migrated yet: it can be read, and nothing be appended.
        connection.rollback()
        return
    finally:
        cursor.close()
    connection.commit()
    if raised:
        _log.warning("the database tells another history from now on", epoch=raised[0])

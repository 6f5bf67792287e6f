"""Questions that tests ask of a service's database."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from sqlalchemy import event, text

from ..db import Database


class Published(NamedTuple):
    """An event in the outbox: `product_created`, the aggregate's version, the body."""

    fact: str
    version: int
    payload: dict[str, Any]


async def query(db: Database, statement: str, **values: Any) -> list[dict[str, Any]]:
    """The rows of a statement."""
    async with db.read() as session:
        return [dict(row) for row in (await session.execute(text(statement), values)).mappings()]


async def published(db: Database, kind: str = "%", subject: object | None = None) -> list[Published]:
    """What is in the outbox, in order: of the types like `threadly.<kind>`, about one aggregate or all."""
    rows = await query(
        db,
        "select event_type, agg_version, payload from outbox_event "
        "where event_type like :kind and (cast(:subject as text) is null or agg_id = :subject) order by id",
        kind=f"threadly.{kind}",
        subject=None if subject is None else str(subject),
    )
    return [
        Published(row["event_type"].split(".")[2], row["agg_version"], json.loads(bytes(row["payload"])))
        for row in rows
    ]


async def digest(db: Database) -> dict[str, tuple[int, str]]:
    """Every table of the database with its number of rows and a digest of them all; no sequences."""
    digests = "coalesce(md5(string_agg(md5(t::text), '' order by md5(t::text))), '')"
    tables = "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    found = {}
    for table in await query(db, tables):
        whole = f"select count(*) as rows, {digests} as sum from {table['relname']} t"  # noqa: S608 - the catalogue's names
        [row] = await query(db, whole)
        found[table["relname"]] = (row["rows"], row["sum"])
    return found


async def waits_for_a_lock(db: Database) -> bool:
    """Whether somebody waits for a lock in this database."""
    waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    return bool(await query(db, waiting))


@asynccontextmanager
async def statements(db: Database) -> AsyncIterator[list[str]]:
    """The statements that are sent inside the block."""
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(db.engine.sync_engine, "before_cursor_execute", note)

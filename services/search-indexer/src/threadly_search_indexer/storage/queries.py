"""The searches somebody clicked in."""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.db import WriteSession

from .tables import SearchQueryRow


async def count_click(session: WriteSession, query_id: str) -> int:
    """Raise and return the version of a search by one click, under its row's lock."""
    statement = insert(SearchQueryRow).values(query_id=query_id, version=1)
    statement = statement.on_conflict_do_update(
        index_elements=["query_id"],
        set_={"version": SearchQueryRow.version + 1, "clicked_at": func.clock_timestamp()},
    )
    version: int = (await session.scalars(statement.returning(SearchQueryRow.version))).one()
    return version


async def forget_clicked_before(session: WriteSession, age: timedelta, limit: int) -> int:
    """Delete up to `limit` searches whose last click is older than `age`; returns how many there were."""
    old = (
        select(SearchQueryRow.query_id)
        .where(SearchQueryRow.clicked_at < func.clock_timestamp() - age)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    gone = delete(SearchQueryRow).where(SearchQueryRow.query_id.in_(old)).returning(SearchQueryRow.query_id)
    return len((await session.scalars(gone)).all())

"""Categories and their counts."""

from collections.abc import AsyncIterator, Mapping
from uuid import UUID

from sqlalchemy import func, insert, select, text, union_all
from sqlalchemy.exc import IntegrityError

from threadly_chassis.db import ReadSession, WriteSession

from ..domain.categories import Category
from ..domain.errors import CategoryNotFound, CategoryNotUsable, SlugTaken
from .tables import CategoryCountChangeRow, CategoryCountRow, CategoryRow

#: An arbitrary number that changes of the tree lock, so that two moves cannot close a loop together.
_TREE_LOCK = 7_406_114_310

_FOLD = text("""
    with taken as (delete from category_count_change returning category_id, delta)
    insert into category_count (category_id, listed)
    select category_id, sum(delta) from taken group by category_id
    on conflict (category_id) do update set listed = category_count.listed + excluded.listed
""")


def category_of(row: CategoryRow, listed: int = 0) -> Category:
    return Category(
        category_id=row.category_id,
        version=row.version,
        parent_id=row.parent_id,
        name=row.name,
        slug=row.slug,
        position=row.position,
        active=row.active,
        listed=listed,
    )


async def all_categories(session: ReadSession) -> list[Category]:
    """Every category with its count, in one statement."""
    parts = union_all(
        select(CategoryCountRow.category_id, CategoryCountRow.listed),
        select(CategoryCountChangeRow.category_id, CategoryCountChangeRow.delta),
    ).subquery()
    counts = (
        select(parts.c.category_id, func.sum(parts.c.listed).label("listed"))
        .group_by(parts.c.category_id)
        .subquery()
    )
    statement = select(CategoryRow, func.coalesce(counts.c.listed, 0)).outerjoin(
        counts, counts.c.category_id == CategoryRow.category_id
    )
    return [category_of(row, int(listed)) for row, listed in await session.execute(statement)]


async def each_category(session: ReadSession) -> AsyncIterator[CategoryRow]:
    """Every category, a few in memory at once."""
    statement = select(CategoryRow).order_by(CategoryRow.category_id).execution_options(yield_per=200)
    async for row in await session.stream_scalars(statement):
        yield row


async def find_category(session: ReadSession, category_id: UUID) -> Category | None:
    row = await session.get(CategoryRow, category_id)
    return None if row is None else category_of(row)


async def branch_ids(session: ReadSession, category_id: UUID) -> list[UUID]:
    """A category's id and those of everything below it; empty when it is not there."""
    below = (
        select(CategoryRow.category_id)
        .where(CategoryRow.category_id == category_id)
        .cte("below", recursive=True)
    )
    below = below.union(
        select(CategoryRow.category_id).join(below, CategoryRow.parent_id == below.c.category_id)
    )
    return list(await session.scalars(select(below.c.category_id)))


async def lock_for_listing(session: WriteSession, category_id: UUID) -> None:
    """Keep a category open until the transaction ends; raises `CategoryNotUsable` (E062).

    The share lock lets other sellers list at the same time, and makes an operator who closes the
    category wait until this listing is in.
    """
    active = await session.scalar(
        select(CategoryRow.active).where(CategoryRow.category_id == category_id).with_for_update(read=True)
    )
    if not active:
        raise CategoryNotUsable("Choose another category.", errors=[{"field": "category_id"}])


async def lock_tree(session: WriteSession) -> Mapping[UUID, UUID | None]:
    """Let nobody else change the tree until the transaction ends; returns each category's parent."""
    await session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _TREE_LOCK})
    rows = await session.execute(select(CategoryRow.category_id, CategoryRow.parent_id))
    return {row.category_id: row.parent_id for row in rows}


async def lock_category(session: WriteSession, category_id: UUID) -> CategoryRow:
    """A category under its row's lock; raises `CategoryNotFound`."""
    row = await session.get(CategoryRow, category_id, with_for_update=True)
    if row is None:
        raise CategoryNotFound
    return row


async def flush_slug(session: WriteSession, slug: str) -> None:
    """Send the pending change; raises `SlugTaken` when another category has the slug."""
    try:
        await session.flush()
    except IntegrityError as error:
        if "uq_category_slug" in str(error.orig):
            raise SlugTaken(f"Another category is called {slug!r}.") from error
        raise


async def count_listed(session: WriteSession, changes: Mapping[UUID, int]) -> None:
    """Add to the counts of categories, each by so much, in the transaction (R-CAT-06)."""
    rows = [{"category_id": category_id, "delta": by} for category_id, by in changes.items() if by]
    if rows:
        await session.execute(insert(CategoryCountChangeRow), rows)


async def fold_counts(session: WriteSession) -> None:
    """Add the changes of counts to the counts; a reader sees them before or after, never half."""
    await session.execute(_FOLD)

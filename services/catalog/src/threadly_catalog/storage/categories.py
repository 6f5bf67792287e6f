"""Categories and their counts."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from threadly_chassis.db import ReadSession, WriteSession

from ..domain.categories import Category
from ..domain.errors import CategoryNotFound, CategoryNotUsable, SlugTaken
from .tables import CategoryCountRow, CategoryRow

#: Over how many rows a category's count is spread.
SLOTS = 16
#: An arbitrary number that changes of the tree lock, so that two moves cannot close a loop together.
_TREE_LOCK = 7_406_114_306


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
    counts = (
        select(CategoryCountRow.category_id, func.sum(CategoryCountRow.listed).label("listed"))
        .group_by(CategoryCountRow.category_id)
        .subquery()
    )
    statement = select(CategoryRow, func.coalesce(counts.c.listed, 0)).outerjoin(
        counts, counts.c.category_id == CategoryRow.category_id
    )
    return [category_of(row, int(listed)) for row, listed in await session.execute(statement)]


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


async def count_listed(session: WriteSession, product_id: UUID, changes: Mapping[UUID, int]) -> None:
    """Add to the counts of categories, each by so much, in the transaction (R-CAT-06)."""
    slot = product_id.int % SLOTS
    # In one order for everybody, so that two moves in opposite directions cannot deadlock.
    rows = [
        {"category_id": category_id, "slot": slot, "listed": by}
        for category_id, by in sorted(changes.items())
        if by
    ]
    if rows:
        statement = insert(CategoryCountRow).values(rows)
        added = CategoryCountRow.listed + statement.excluded.listed
        await session.execute(
            statement.on_conflict_do_update(index_elements=["category_id", "slot"], set_={"listed": added})
        )

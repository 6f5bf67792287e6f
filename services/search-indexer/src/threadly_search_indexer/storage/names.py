"""The names that stand in many documents: sellers' and categories'.

A product handler reads a name while a rename may be under way. It holds a shared lock on the names it reads
until it commits; a batch of the rename takes the lock alone, after the new name is committed. So a document
is written either with the new name, or before the batch that renames it.
"""

import zlib
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Uuid, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.db import ReadSession, WriteSession

from ..domain.messages import Scope
from .tables import SearchCategoryRow, SearchSellerRow

#: The lock space of this file: the first key of the two-key advisory locks.
_SPACE = 7_406_201


def _key(scope_id: UUID) -> int:
    return zlib.crc32(scope_id.bytes) - 2**31


async def share_names(session: WriteSession, *scope_ids: UUID) -> None:
    """Let nobody rename these until this transaction ends."""
    for key in sorted(map(_key, scope_ids)):
        await session.execute(text("select pg_advisory_xact_lock_shared(:a, :b)"), {"a": _SPACE, "b": key})


async def own_name(session: WriteSession, scope_id: UUID) -> None:
    """Wait until no document is being written with this name."""
    await session.execute(select(func.pg_advisory_xact_lock(_SPACE, _key(scope_id))))


async def put_category(session: WriteSession, row: SearchCategoryRow, *, overrules: bool = False) -> bool:
    """Store a category unless a newer version is held; returns whether it was stored.

    What `overrules` is stored whatever version there is: its owner does not know that one any more.
    """
    values = {column.key: getattr(row, column.key) for column in SearchCategoryRow.__table__.columns}
    statement = insert(SearchCategoryRow).values(values)
    statement = statement.on_conflict_do_update(
        index_elements=["category_id"],
        set_=values,
        where=None if overrules else SearchCategoryRow.version < statement.excluded.version,
    )
    return await session.scalar(statement.returning(SearchCategoryRow.version)) is not None


async def put_seller(session: WriteSession, row: SearchSellerRow, *, overrules: bool = False) -> bool:
    """Store a seller unless a newer version is held; returns whether documents show something else now.

    `overrules` as in `put_category`.
    """
    before = await session.scalar(
        select(SearchSellerRow.name).where(SearchSellerRow.seller_id == row.seller_id).with_for_update()
    )
    values = {column.key: getattr(row, column.key) for column in SearchSellerRow.__table__.columns}
    statement = insert(SearchSellerRow).values(values)
    statement = statement.on_conflict_do_update(
        index_elements=["seller_id"],
        set_=values,
        where=None if overrules else SearchSellerRow.version < statement.excluded.version,
    )
    stored = await session.scalar(statement.returning(SearchSellerRow.version)) is not None
    return stored and before != row.name


async def category_family(session: ReadSession, category_id: UUID) -> Sequence[UUID]:
    """A category and everything below it: who looks in a category means its branches too."""
    roots = select(literal(category_id, Uuid()).label("category_id")).cte(recursive=True)
    below = select(SearchCategoryRow.category_id).join(
        roots, SearchCategoryRow.parent_id == roots.c.category_id
    )
    family = roots.union(below)  # UNION, not UNION ALL: it ends even on a circle
    return (await session.scalars(select(family.c.category_id))).all()


def name_of(scope: Scope, scope_id: UUID) -> object:
    """The present name of a seller or category, as a scalar subquery."""
    if scope is Scope.SELLER:
        return select(SearchSellerRow.name).where(SearchSellerRow.seller_id == scope_id).scalar_subquery()
    return select(SearchCategoryRow.name).where(SearchCategoryRow.category_id == scope_id).scalar_subquery()

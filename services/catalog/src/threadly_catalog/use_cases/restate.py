"""How everything stands, for readers that are rebuilt after the history was forgotten (ADR 19, ADR 22).

An item that was sold is restated as changed: its state says SOLD, and whoever copies products hears all their
events.
"""

from collections.abc import AsyncIterator

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from threadly_chassis.rebuild.snapshots import Snapshots
from threadly_contracts.catalog import CategoryChanged, ProductUpdated

from .dependencies import CatalogDeps
from .storage.products import facts_of
from .storage.tables import CategoryRow, ProductRow
from .use_cases.create_category import changed

#: Rows that are held in memory at once.
_AT_ONCE = 200


async def every_category(deps: CatalogDeps) -> AsyncIterator[tuple[CategoryChanged, int]]:
    """Each category and its version."""
    async with deps.db.read() as session:
        for row in await session.scalars(select(CategoryRow).order_by(CategoryRow.category_id)):
            yield changed(row), row.version


async def every_product(deps: CatalogDeps) -> AsyncIterator[tuple[ProductUpdated, int]]:
    """Each item, whatever became of it, and its version."""
    statement = (
        select(ProductRow)
        .order_by(ProductRow.product_id)
        .options(selectinload(ProductRow.images))
        .execution_options(yield_per=_AT_ONCE)
    )
    async with deps.db.read() as session:
        async for row in await session.stream_scalars(statement):
            yield ProductUpdated(**facts_of(row)), row.version


SNAPSHOTS: Snapshots = {CategoryChanged: every_category, ProductUpdated: every_product}

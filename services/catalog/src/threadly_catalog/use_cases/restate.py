"""Say how everything stands, for readers that are rebuilt after the history was forgotten (ADR 19, ADR 22).

An item that was sold is restated as changed: its state says SOLD, and whoever copies products hears all their
events.
"""

from collections.abc import AsyncIterator

from threadly_chassis.rebuild.snapshots import Snapshots
from threadly_contracts.catalog import CategoryChanged, ProductUpdated

from ..dependencies import CatalogDeps
from ..storage.categories import each_category
from ..storage.products import each_product, facts_of
from .create_category import changed


async def every_category(deps: CatalogDeps) -> AsyncIterator[tuple[CategoryChanged, int]]:
    """Each category and its version."""
    async with deps.db.read() as session:
        async for row in each_category(session):
            yield changed(row), row.version


async def every_product(deps: CatalogDeps) -> AsyncIterator[tuple[ProductUpdated, int]]:
    """Each item, whatever became of it, and its version."""
    async with deps.db.read() as session:
        async for row in each_product(session):
            yield ProductUpdated(**facts_of(row)), row.version


SNAPSHOTS: Snapshots = {CategoryChanged: every_category, ProductUpdated: every_product}

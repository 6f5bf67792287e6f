"""Keeps the list of changed counts short."""

from ..dependencies import CatalogDeps
from ..storage.categories import fold_counts


async def fold_category_counts(deps: CatalogDeps) -> None:
    """Fold what changed since the last run into the categories' counts (PR-11)."""
    async with deps.db.transaction() as tx:
        await fold_counts(tx.session)

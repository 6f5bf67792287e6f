"""Drops from the cache what an event makes stale (R-CAT-11, R-CAT-13, R-CACHE-02)."""

from threadly_chassis.messaging import EffectContext
from threadly_contracts.catalog import CategoryChanged, ProductEvent, ProductUpdated

from ..dependencies import CatalogDeps
from ..domain.tags import tags_of_category, tags_of_product


async def drop_product_caches(event: ProductEvent, context: EffectContext[CatalogDeps]) -> None:
    """Drop the product, the lists, and its category; on a move the one that it left too (E068)."""
    previous = event.previous_category_id if isinstance(event, ProductUpdated) else None
    tags = tags_of_product(event.product_id, event.category_id, previous)
    await context.deps.cache.invalidate_tags(*tags)


async def drop_category_caches(event: CategoryChanged, context: EffectContext[CatalogDeps]) -> None:
    """Drop the tree and what is listed in the category."""
    await context.deps.cache.invalidate_tags(*tags_of_category(event.category_id))

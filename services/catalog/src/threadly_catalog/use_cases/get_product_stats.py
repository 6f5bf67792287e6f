"""How many products there are, and what they cost on average (R-PERF-07)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from threadly_chassis.cache import CACHE_TTL

from ..dependencies import CatalogDeps
from ..storage.product_lists import PriceCount, price_counts


class CategoryStats(BaseModel):
    """How many listed products are directly in a category."""

    category_id: UUID
    products: int


class ProductStats(BaseModel):
    """The figures of one moment."""

    model_config = ConfigDict(frozen=True)

    total_products: int
    avg_price_minor: int | None
    """Over the products priced in the default currency; None when there are none."""
    category_stats: list[CategoryStats]
    counted_at: datetime


async def get_product_stats(deps: CatalogDeps) -> ProductStats:
    """Count what is listed; remembered for CACHE_TTL.LONG, so the figures may be that old."""

    async def load() -> Any:
        now = deps.clock.now()
        async with deps.db.read() as session:
            counts = await price_counts(session)
        return _stats(counts, deps.settings.default_currency, now).model_dump(mode="json")

    value = await deps.cache.get_or_load("product:stats", load, ttl=CACHE_TTL.LONG)
    return ProductStats.model_validate(value)


def _stats(counts: list[PriceCount], currency: str, now: datetime) -> ProductStats:
    by_category: dict[UUID, int] = {}
    for count in counts:
        by_category[count.category_id] = by_category.get(count.category_id, 0) + count.products
    priced = [count for count in counts if count.currency == currency]
    products = sum(count.products for count in priced)
    total = sum(count.total_minor for count in priced)
    return ProductStats(
        total_products=sum(by_category.values()),
        # Half a minor unit rounds up.
        avg_price_minor=(2 * total + products) // (2 * products) if products else None,
        category_stats=[
            CategoryStats(category_id=category_id, products=found)
            for category_id, found in by_category.items()
        ],
        counted_at=now,
    )

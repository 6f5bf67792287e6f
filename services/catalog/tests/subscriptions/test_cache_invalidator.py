"""catalog.cache-invalidator: what an event makes stale is dropped, whoever caused it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from threadly_contracts.catalog import (
    CategoryChanged,
    ProductCreated,
    ProductReserved,
    ProductState,
    ProductUpdated,
)

pytestmark = pytest.mark.integration
CONSUMER = "catalog.cache-invalidator"


async def _last(catalog: Any, event: type[ProductState], item: Any) -> Any:
    return event.model_validate((await catalog.events(item["id"]))[-1][2])


async def test_a_reservation_reaches_what_was_cached(catalog: Any, purchase: Callable[..., Any]) -> None:
    """R-CAT-11, R-CACHE-02: product, list and category; twice is once."""
    item = await catalog.item()
    paths = (f"/products/{item['id']}", "/products", f"/products?category_id={item['category_id']}")

    async def statuses() -> list[str]:
        answers = [(await catalog.call("GET", path)).json() for path in paths]
        return [(answer["data"][0] if "data" in answer else answer)["status"] for answer in answers]

    assert await statuses() == ["AVAILABLE"] * 3
    await catalog.give("catalog.stock", purchase(item).started())
    assert await statuses() == ["AVAILABLE"] * 3
    event = await _last(catalog, ProductReserved, item)
    await catalog.give(CONSUMER, event, event)
    assert await statuses() == ["RESERVED"] * 3


async def test_a_move_clears_both_categories(catalog: Any) -> None:
    """E068, CA-11."""
    old, new = await catalog.category("Dresses"), await catalog.category("Skirts")
    item = await catalog.list_item(old)
    await catalog.patch(item, category_id=str(new))
    moved = await _last(catalog, ProductUpdated, item)
    keys = {category: f"products:{category}:None:False:20" for category in (old, new)}
    for category in keys:
        await catalog.call("GET", f"/products?category_id={category}")
    assert [await catalog.deps.cache.get_metadata(key) is None for key in keys.values()] == [False, False]
    await catalog.give(CONSUMER, moved)
    assert [await catalog.deps.cache.get_metadata(key) is None for key in keys.values()] == [True, True]


async def test_other_products_stay_cached(catalog: Any) -> None:
    item, other = await catalog.item(), await catalog.item()
    for one in (item, other):
        await catalog.shown(one)
    await catalog.give(CONSUMER, await _last(catalog, ProductCreated, item))
    kept = [await catalog.deps.cache.get_metadata(f"product:{one['id']}") for one in (item, other)]
    assert kept[0] is None
    assert kept[1] is not None


async def test_a_renamed_category_is_seen(catalog: Any) -> None:
    """E076."""
    category = await catalog.category()
    await catalog.call("GET", "/categories")
    [(_, _, payload)] = await catalog.events(category)
    assert await catalog.deps.cache.get_metadata("categories") is not None
    await catalog.give(CONSUMER, CategoryChanged.model_validate(payload))
    assert await catalog.deps.cache.get_metadata("categories") is None
    assert UUID(payload["category_id"]) == category

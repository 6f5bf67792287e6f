"""What catalog does by the clock, beside the lapsing of holds (which is with the stock)."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from threadly_catalog.use_cases.fold_category_counts import fold_category_counts
from threadly_catalog.use_cases.forget_ended_checkouts import forget_ended_checkouts
from threadly_chassis.clock import FrozenClock

pytestmark = pytest.mark.integration


async def _listed(catalog: Any) -> dict[str, int]:
    tree = (await catalog.call("GET", "/categories?include_inactive=true", catalog.operator)).json()["data"]
    return {branch["name"]: branch["listed_products"] for branch in tree}


async def test_counts_are_folded_without_being_changed(catalog: Any) -> None:
    """PR-11, E071: while sellers list, and by two runners at once."""
    dresses, skirts = await catalog.category("Dresses"), await catalog.category("Skirts")
    items = [await catalog.list_item(dresses) for _ in range(3)]
    await fold_category_counts(catalog.deps)
    await asyncio.gather(
        *(catalog.list_item(skirts) for _ in range(3)),
        catalog.patch(items[0], category_id=str(skirts)),
        catalog.call("DELETE", f"/products/{items[1]['id']}", catalog.seller),
        fold_category_counts(catalog.deps),
        fold_category_counts(catalog.deps),
    )
    assert await _listed(catalog) == {"Dresses": 1, "Skirts": 4}
    await fold_category_counts(catalog.deps)
    assert await _listed(catalog) == {"Dresses": 1, "Skirts": 4}
    assert await catalog.query("select 1 from category_count_change") == []


async def test_ended_checkouts_are_forgotten_in_time(catalog: Any, purchase: Callable[..., Any]) -> None:
    clock = FrozenClock(datetime.now(UTC))
    catalog.change(clock=clock)
    item = await catalog.item()
    buying = purchase(item)
    await catalog.give("catalog.stock", buying.ended())
    clock.move(timedelta(days=29))
    await forget_ended_checkouts(catalog.deps)
    assert len(await catalog.query("select 1 from ended_checkout")) == 1
    clock.move(timedelta(days=2))
    await forget_ended_checkouts(catalog.deps)
    assert await catalog.query("select 1 from ended_checkout") == []
    await catalog.give("catalog.stock", buying.started())
    assert (await catalog.row(item))["status"] == "AVAILABLE"

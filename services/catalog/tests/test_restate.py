"""A snapshot says of each aggregate what its last event said."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from threadly_catalog.use_cases.restate import SNAPSHOTS
from threadly_chassis.rebuild.snapshots import restate
from threadly_contracts.catalog import PRODUCT_EVENTS, CategoryChanged, ProductState, ProductUpdated

pytestmark = pytest.mark.integration


def _state(said: dict[str, Any]) -> ProductState:
    return ProductState.model_validate({name: said[name] for name in ProductState.model_fields})


async def _wardrobe(catalog: Any, purchase: Callable[..., Any]) -> None:
    """An item as listed, one with a new price, one on hold, one sold and one withdrawn."""
    for fate in ("listed", "repriced", "held", "sold", "withdrawn"):
        item = await catalog.item()
        if fate == "repriced":
            assert (await catalog.patch(item, price="19.99")).status_code == 200
        if fate in {"held", "sold"}:
            await catalog.give("catalog.stock", purchase(item).started())
        if fate == "sold":
            await catalog.give("catalog.stock", purchase(item).confirmed())
        if fate == "withdrawn":
            assert (
                await catalog.call("DELETE", f"/products/{item['id']}", catalog.seller)
            ).status_code == 204


async def test_of_products(catalog: Any, purchase: Callable[..., Any]) -> None:
    await _wardrobe(catalog, purchase)
    newest = await catalog.newest("product")
    last = {item: (version, _state(said)) for item, (version, said) in newest.items()}
    restated = {
        event.subject: (version, _state(event.model_dump()))
        async for event, version in SNAPSHOTS[ProductUpdated](catalog.deps)
    }
    assert restated == last
    assert {state.status for _, state in last.values()} == {"AVAILABLE", "RESERVED", "SOLD", "REMOVED"}


async def test_of_categories(catalog: Any) -> None:
    clothes = await catalog.category("Clothes")
    dresses = await catalog.category("Dresses", parent_id=str(clothes))
    last = await catalog.newest("category")
    restated = {
        event.subject: (version, event.model_dump(mode="json"))
        async for event, version in SNAPSHOTS[CategoryChanged](catalog.deps)
    }
    assert restated == last
    assert {str(clothes), str(dresses)} <= set(last)


async def test_what_history_has_forgotten_is_in_it_again(catalog: Any, purchase: Callable[..., Any]) -> None:
    """And what it has not forgotten is left alone."""
    await _wardrobe(catalog, purchase)
    before = await catalog.newest("product")
    forgotten = set(sorted(before)[:3])
    async with catalog.deps.db.transaction() as tx:
        forget = text("delete from outbox_event where agg_id = any(:ids)")
        await tx.session.execute(forget, {"ids": sorted(forgotten)})
    wanted = [event.type for event in PRODUCT_EVENTS]
    for _ in range(2):
        await restate(catalog.deps.db, catalog.deps, SNAPSHOTS[ProductUpdated], wanted)
    after = await catalog.newest("product")
    assert {item: version for item, (version, _) in after.items()} == {
        item: version for item, (version, _) in before.items()
    }
    again = await catalog.query("select agg_id from outbox_event where headers ->> 't-restated' = 'yes'")
    assert {row["agg_id"] for row in again} == forgotten
    assert len(again) == 3

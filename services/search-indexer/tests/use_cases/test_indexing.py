"""The indexer, the invalidator and drift repair."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from threadly_chassis.ids import new_id
from threadly_contracts.catalog import ProductReleased, ProductReserved, ProductSold
from threadly_search_indexer.domain.messages import DocumentChanged, NamesChanged, Scope
from threadly_search_indexer.gateways.search_index import IndexUnavailable
from threadly_search_indexer.use_cases.drop_search_cache import drop_changed_names, drop_changed_product
from threadly_search_indexer.use_cases.project_product import project_product
from threadly_search_indexer.use_cases.repair_drift import repair_drift

pytestmark = pytest.mark.integration
Make = Callable[..., Any]


async def mapping(shelf: Any, product_id: Any) -> list[dict[str, Any]]:
    statement = (
        "select service, external_id, sync_status from sync_mapping where local_id = cast(:id as text)"
    )
    found: list[dict[str, Any]] = await shelf.query(statement, id=str(product_id))
    return found


def reserved(dress: Any, changed: Make) -> Any:
    return changed(dress, ProductReserved, status="RESERVED", checkout_id=new_id())


async def test_a_product_is_indexed_confirmed_and_noted(shelf: Any, product: Make) -> None:
    """R-CAT-09, R-SYNC-04: in the index when the handler returns; twice is once."""
    dress = product()
    await shelf.put(dress)
    await shelf.index(dress.product_id)
    assert await shelf.indexed() == {str(dress.product_id): 1}
    assert await mapping(shelf, dress.product_id) == [
        {"service": "algolia", "external_id": str(dress.product_id), "sync_status": "SYNCED"}
    ]
    assert (await shelf.row(dress.product_id))["indexed_version"] == 1


async def test_a_sold_product_leaves_the_index_and_comes_back_when_released(
    shelf: Any, product: Make, changed: Make
) -> None:
    """R-ORD-10."""
    dress = product()
    held = reserved(dress, changed)
    free = changed(held, ProductReleased, status="AVAILABLE", checkout_id=held.checkout_id)
    sold = changed(free, ProductSold, status="SOLD", order_id=new_id(), sold_at=dress.updated_at)
    found = []
    for event in (dress, held, free, sold):
        await shelf.put(event)
        found.append(await shelf.indexed())
    assert found == [{str(dress.product_id): 1}, {}, {str(dress.product_id): 3}, {}]
    assert (await mapping(shelf, dress.product_id))[0]["sync_status"] == "REMOVED"


async def test_the_index_refuses_an_older_version(shelf: Any, deps: Any, product: Make) -> None:
    """Providers §1.2: `IncrementSet` makes the whole write conditional."""
    await deps.index.put({"objectID": "x", "version": 5, "title": "new"})
    await deps.index.put({"objectID": "x", "version": 4, "title": "old", "color": "red"})
    assert await shelf.indexed() == {"x": 5}


async def test_a_slow_delete_does_not_remove_what_was_put_back(
    shelf: Any, deps: Any, product: Make, changed: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delete has no condition: whoever finds the document changed meanwhile writes again."""
    dress = product()
    held = reserved(dress, changed)
    free = changed(held, ProductReleased, status="AVAILABLE", checkout_id=held.checkout_id)
    await shelf.put(dress)
    await shelf.handle(project_product, held)
    remove = deps.index.remove
    loaded, may_remove = asyncio.Event(), asyncio.Event()

    async def slow(object_id: str) -> None:
        loaded.set()
        await may_remove.wait()
        await remove(object_id)

    monkeypatch.setattr(deps.index, "remove", slow)
    slow_worker = asyncio.create_task(shelf.index(dress.product_id))
    await loaded.wait()
    await shelf.put(free)
    may_remove.set()
    await slow_worker
    assert await shelf.indexed() == {str(dress.product_id): 3}
    assert (await mapping(shelf, dress.product_id))[0]["sync_status"] == "SYNCED"


async def test_an_index_that_is_away_is_tried_again_and_nothing_is_noted(
    shelf: Any, product: Make, algolia: Any
) -> None:
    """E077: `IndexUnavailable` is retryable; the wait ladder brings the message again."""
    dress = product()
    await shelf.handle(project_product, dress)
    await algolia.control(down=True)
    with pytest.raises(IndexUnavailable):
        await shelf.index(dress.product_id)
    assert await mapping(shelf, dress.product_id) == []
    await algolia.control()
    await shelf.index(dress.product_id)
    assert await shelf.indexed() == {str(dress.product_id): 1}


async def test_a_write_that_the_index_lost_is_found_and_sent_again(
    shelf: Any, deps: Any, product: Make, algolia: Any
) -> None:
    """E077: Algolia takes a batch, confirms it, and drops it."""
    lost, kept = product(), product()
    await shelf.put(kept)
    await algolia.control(drop_writes=True)
    await shelf.put(lost)
    await algolia.control()
    assert str(lost.product_id) not in await shelf.indexed()
    messages = len(await shelf.published("document_changed"))
    await repair_drift(deps, settled_seconds=0)
    sent = (await shelf.published("document_changed"))[messages:]
    assert [each["product_id"] for each in sent] == [str(lost.product_id)]
    await shelf.index(lost.product_id)
    assert set(await shelf.indexed()) == {str(lost.product_id), str(kept.product_id)}
    await repair_drift(deps, settled_seconds=0)
    assert len(await shelf.published("document_changed")) == messages + 1


async def test_records_that_should_not_be_there_are_removed(
    shelf: Any, deps: Any, product: Make, changed: Make, algolia: Any
) -> None:
    """E074, E077: an unknown id, no id at all, a lost delete, and a version from another past."""
    sold, ahead = product(), product()
    await shelf.put(sold, ahead)
    gone = changed(sold, ProductSold, status="SOLD", order_id=new_id(), sold_at=sold.updated_at)
    await algolia.control(drop_writes=True)
    await shelf.put(gone)
    await algolia.control()
    for object_id, version in ((str(new_id()), 1), ("not-an-id", 1), (str(ahead.product_id), 40)):
        await deps.index.put({"objectID": object_id, "version": version})
    await repair_drift(deps, settled_seconds=0)
    for each in (sold, ahead):
        await shelf.index(each.product_id)
    assert await shelf.indexed() == {str(ahead.product_id): 41}


async def test_a_document_under_way_is_not_drift(shelf: Any, deps: Any, product: Make) -> None:
    await shelf.handle(project_product, product())
    messages = await shelf.published("document_changed")
    await repair_drift(deps)
    assert await shelf.published("document_changed") == messages


async def test_cached_searches_go_with_a_change(shelf: Any, deps: Any) -> None:
    """R-CACHE-02, CA-12: every search, and whatever shows the product."""
    product_id = new_id()

    async def fill() -> None:
        for key, tags in {"search:1": ["search"], "other:1": [f"product:{product_id}"]}.items():
            await deps.cache.get_or_load(key, _one, ttl=60, tags=tags)

    async def cached() -> list[bool]:
        return [await deps.cache.get_metadata(key) is not None for key in ("search:1", "other:1")]

    await fill()
    assert await cached() == [True, True]
    await shelf.handle(drop_changed_product, DocumentChanged(product_id=product_id, version=1))
    assert await cached() == [False, False]
    await fill()
    await shelf.handle(drop_changed_names, NamesChanged(scope=Scope.CATEGORY, scope_id=new_id()))
    assert await cached() == [False, True]


async def _one() -> int:
    return 1

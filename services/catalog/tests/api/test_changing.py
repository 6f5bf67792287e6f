"""Changing, withdrawing and relisting an item."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from threadly_chassis.ids import new_id
from threadly_chassis.testing.identity import somebody

pytestmark = pytest.mark.integration


async def test_a_change_raises_the_version_and_carries_everything(catalog: Any) -> None:
    """R-CAT-13: the event holds the whole product, so that no reader calls back."""
    item = await catalog.item()
    answer = await catalog.patch(item, price="20", images=["https://ufs.sh/new"], brand="Ganni")
    changed = answer.json()
    assert (answer.status_code, answer.headers["ETag"], changed["version"]) == (200, '"2"', 2)
    assert changed["price"]["amount_minor"] == 2000
    fact, version, payload = (await catalog.events(item["id"]))[-1]
    assert (fact, version, payload["brand"]) == ("product_updated", 2, "Ganni")
    assert payload["description"] == item["description"]
    assert payload["previous_category_id"] is None
    assert [image["url"] for image in payload["images"]] == ["https://ufs.sh/new"]
    assert await catalog.shown(item) == changed


async def test_changing_nothing_says_nothing(catalog: Any) -> None:
    item = await catalog.item()
    answer = await catalog.patch(item, title=item["title"], price="25.50", brand=None)
    assert (answer.status_code, answer.json()) == (200, item)
    assert await catalog.facts(item["id"]) == ["product_created"]


async def test_fewer_and_reordered_pictures(catalog: Any) -> None:
    """PR-10: the order is the seller's."""
    urls = [f"https://ufs.sh/{n}" for n in range(3)]
    item = await catalog.list_item(await catalog.category(), images=urls)
    changed = (await catalog.patch(item, images=[urls[2], urls[0]])).json()
    assert [(i["position"], i["url"]) for i in changed["images"]] == [(0, urls[2]), (1, urls[0])]
    assert await catalog.shown(item) == changed


async def test_null_empties_what_may_be_empty_and_nothing_else(catalog: Any) -> None:
    item = await catalog.list_item(await catalog.category(), brand="Ganni", original_price="90")
    changed = (await catalog.patch(item, brand=None, original_price=None)).json()
    assert (changed["brand"], changed["original_price"]) == (None, None)
    assert (await catalog.patch(changed, title=None)).status_code == 422


async def test_the_old_price_bounds_the_new_one(catalog: Any) -> None:
    item = await catalog.list_item(await catalog.category(), original_price="30")
    answer = await catalog.patch(item, price="31")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "original_price")
    assert (await catalog.shown(item))["version"] == 1


async def test_what_was_not_seen_is_not_overwritten(catalog: Any) -> None:
    """Architecture §10: If-Match; without it 428, with an outdated one 412."""
    item = await catalog.item()
    path = f"/products/{item['id']}"
    await catalog.patch(item, price="20")
    outdated = await catalog.patch(item, price="10")
    missing = await catalog.call("PATCH", path, catalog.seller, json={"price": "10"})
    assert (outdated.status_code, outdated.json()["code"]) == (412, "version_outdated")
    assert outdated.json()["version"] == 2
    assert (missing.status_code, missing.json()["code"]) == (428, "precondition_required")
    any_version = {"If-Match": "*"}
    forced = await catalog.call("PATCH", path, catalog.seller, json={"price": "10"}, headers=any_version)
    assert forced.json()["price"]["amount_minor"] == 1000


async def test_of_two_changes_at_once_one_is_refused(catalog: Any) -> None:
    item = await catalog.item()
    answers = await asyncio.gather(*(catalog.patch(item, price=str(20 + n)) for n in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    assert [version for _, version, _ in await catalog.events(item["id"])] == [1, 2]


async def test_somebody_elses_item(catalog: Any) -> None:
    """E067: 403 on what everybody sees, 404 on what only its seller does."""
    item, stranger = await catalog.item(), somebody("Eve")
    for method in ("PATCH", "DELETE"):
        options = {"headers": {"If-Match": "*"}} | ({"json": {"price": "1"}} if method == "PATCH" else {})
        answer = await catalog.call(method, f"/products/{item['id']}", stranger, **options)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_your_item")
    await catalog.call("DELETE", f"/products/{item['id']}", catalog.seller)
    assert (await catalog.patch(item, stranger, price="1")).status_code == 404
    assert (await catalog.call("GET", f"/products/{item['id']}", stranger)).status_code == 404
    assert (await catalog.call("GET", f"/products/{item['id']}")).status_code == 404
    assert (await catalog.shown(item, catalog.seller))["status"] == "REMOVED"


@pytest.mark.parametrize("status", ["SOLD", "RESERVED", "GONE"])
async def test_the_seller_does_not_own_the_lifecycle(catalog: Any, status: str) -> None:
    """E064."""
    item = await catalog.item()
    assert (await catalog.patch(item, status=status)).status_code == 422
    assert await catalog.facts(item["id"]) == ["product_created"]


async def test_withdrawing_and_relisting(catalog: Any) -> None:
    """E064: AVAILABLE ↔ REMOVED is the seller's; withdrawing twice is withdrawing once."""
    item = await catalog.item()
    path = f"/products/{item['id']}"
    assert (await catalog.call("DELETE", path, catalog.seller)).status_code == 204
    assert (await catalog.call("DELETE", path, catalog.seller)).status_code == 204
    [branch] = (await catalog.call("GET", "/categories")).json()["data"]
    assert branch["listed_products"] == 0
    withdrawn = await catalog.shown(item, catalog.seller)
    relisted = await catalog.patch(withdrawn, status="AVAILABLE", price="19")
    assert (relisted.status_code, relisted.json()["status"]) == (200, "AVAILABLE")
    assert await catalog.facts(item["id"]) == ["product_created", "product_removed", "product_updated"]
    [branch] = (await catalog.call("GET", "/categories")).json()["data"]
    assert branch["listed_products"] == 1


async def test_withdrawing_is_said_alone(catalog: Any) -> None:
    item = await catalog.item()
    assert (await catalog.patch(item, status="REMOVED", price="1")).status_code == 422


async def test_nothing_is_relisted_in_a_closed_category(catalog: Any) -> None:
    """E062."""
    item = await catalog.item()
    await catalog.call("DELETE", f"/products/{item['id']}", catalog.seller)
    closing = {"json": {"active": False}}
    await catalog.call("PATCH", f"/categories/{item['category_id']}", catalog.operator, **closing)
    answer = await catalog.patch({**item, "version": 2}, status="AVAILABLE")
    assert (answer.status_code, answer.json()["code"]) == (422, "category_not_usable")


async def test_what_is_being_bought_or_was_is_frozen(catalog: Any, purchase: Callable[..., Any]) -> None:
    """E010, E065."""
    item = await catalog.item()
    path = f"/products/{item['id']}"
    buying = purchase(item)
    for event, version in ((buying.started(), 2), (buying.confirmed(), 3)):
        await catalog.give("catalog.stock", event)
        changed = await catalog.patch({**item, "version": version}, price="99")
        withdrawn = await catalog.call("DELETE", path, catalog.seller)
        for answer in (changed, withdrawn):
            assert (answer.status_code, answer.json()["code"]) == (409, "item_frozen")
    assert (await catalog.row(item))["price_minor"] == 2550


async def test_a_move_counts_and_clears_both_categories(catalog: Any) -> None:
    """E068: counts and caches of the old category and of the new."""
    old, new = await catalog.category("Dresses"), await catalog.category("Skirts")
    item = await catalog.list_item(old)
    for category, listed in ((old, 1), (new, 0)):
        shown = (await catalog.call("GET", f"/products?category_id={category}")).json()["data"]
        assert len(shown) == listed
    changed = await catalog.patch(item, category_id=str(new))
    assert changed.json()["category_id"] == str(new)
    for category, listed in ((old, 0), (new, 1)):
        shown = (await catalog.call("GET", f"/products?category_id={category}")).json()["data"]
        assert len(shown) == listed
    tree = (await catalog.call("GET", "/categories")).json()["data"]
    assert {branch["name"]: branch["listed_products"] for branch in tree} == {"Dresses": 0, "Skirts": 1}
    _, _, payload = (await catalog.events(item["id"]))[-1]
    assert payload["previous_category_id"] == str(old)


async def test_an_item_that_never_was(catalog: Any) -> None:
    nothing: dict[str, Any] = {"id": str(new_id()), "version": 1}
    assert (await catalog.patch(nothing, price="1")).status_code == 404
    assert (await catalog.call("DELETE", f"/products/{nothing['id']}", catalog.seller)).status_code == 404

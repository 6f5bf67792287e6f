"""Reading items: one, many, pages, figures."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from threadly_catalog.storage.product_lists import Filter, newest_statement
from threadly_chassis.ids import new_id
from threadly_chassis.testing.identity import somebody
from threadly_contracts.auth import UserUpdated

pytestmark = pytest.mark.integration


async def test_relations_come_when_they_are_asked_for(catalog: Any) -> None:
    """R-CAT-07, R-CAT-15, R-PERF-05."""
    category = await catalog.category()
    far, near, same_brand = [
        await catalog.list_item(category, price=price, brand=brand)
        for price, brand in (("90", None), ("26", None), ("500", "Ganni"))
    ]
    item = await catalog.list_item(category, brand="Ganni")
    await catalog.list_item(await catalog.category("Shoes"), brand="Ganni")
    plain = await catalog.shown(item)
    assert (plain["seller"], plain["category"], plain["related"]) == (None, None, None)
    answer = await catalog.call("GET", f"/products/{item['id']}?expand=seller,category,related")
    whole = answer.json()
    assert whole["seller"] == {"id": str(catalog.seller.user_id), "name": "Ada", "picture": None}
    assert (whole["category"]["id"], whole["category"]["name"]) == (str(category), "Dresses")
    similar = [card["id"] for card in whole["related"]["similar_products"]]
    assert similar == [same_brand["id"], near["id"], far["id"]]
    assert (await catalog.call("GET", f"/products/{item['id']}?expand=soul")).status_code == 422


async def test_an_answer_that_is_known_is_not_sent_again(catalog: Any) -> None:
    """CA-01: ETag and If-None-Match; what a relation changes changes the tag too."""
    item = await catalog.item()
    for expand in ("", "?expand=seller"):
        path = f"/products/{item['id']}{expand}"
        tag = (await catalog.call("GET", path)).headers["ETag"]
        known = {"headers": {"If-None-Match": f'W/"0", {tag}'}}
        again = await catalog.call("GET", path, **known)
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    renamed = UserUpdated(
        user_id=catalog.seller.user_id,
        email="ada@example.com",
        first_name="Ada",
        last_name="Lovelace",
        image_url=None,
        updated_at=item["updated_at"],
    )
    await catalog.give("catalog.sellers", renamed)
    changed = await catalog.call("GET", path, **known)
    assert (changed.status_code, changed.json()["seller"]["name"]) == (200, "Ada Lovelace")
    whole_tag = {"headers": {"If-Match": changed.headers["ETag"]}, "json": {"price": "1"}}
    answer = await catalog.call("PATCH", f"/products/{item['id']}", catalog.seller, **whole_tag)
    assert answer.status_code == 200


async def test_what_is_private_is_not_kept_by_the_edge(catalog: Any) -> None:
    """E089."""
    item = await catalog.item()
    path = f"/products/{item['id']}"
    assert "s-maxage" in (await catalog.call("GET", path)).headers["Cache-Control"]
    for own in (path, f"/products?seller_id={catalog.seller.user_id}"):
        answer = await catalog.call("GET", own, catalog.seller)
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert "Authorization" in answer.headers["Vary"]


async def test_pages_are_whole_newest_first_and_stable(catalog: Any) -> None:
    """R-PERF-06; E082: what is listed while one pages is neither repeated nor makes others skip."""
    category = await catalog.category()
    items = [await catalog.list_item(category, title=f"Dress {n}") for n in range(7)]
    seen: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        answer = (await catalog.call("GET", f"/products?limit=3{cursor and '&cursor=' + cursor}")).json()
        seen += answer["data"]
        cursor = answer["next_cursor"]
        await catalog.list_item(category, title="Listed in between")
    assert [card["id"] for card in seen] == [item["id"] for item in reversed(items)]
    assert seen[0]["seller"]["name"] == "Ada"
    assert seen[0]["image"]["position"] == 0
    assert seen[0]["price"]["formatted"] == "25.50 EUR"


async def test_items_of_one_microsecond_are_neither_lost_nor_repeated(catalog: Any) -> None:
    """R-PERF-06: the id decides among equals."""
    category = await catalog.category()
    items = [await catalog.list_item(category) for _ in range(5)]
    async with catalog.deps.db.transaction() as tx:
        await tx.session.execute(text("update product set created_at = '2026-01-01 00:00:00+00'"))
    await catalog.deps.cache.evict("*")
    seen, cursor = [], ""
    while cursor is not None:
        answer = (await catalog.call("GET", f"/products?limit=2{cursor and '&cursor=' + cursor}")).json()
        seen += [card["id"] for card in answer["data"]]
        cursor = answer["next_cursor"]
    assert seen == sorted((item["id"] for item in items), reverse=True)


async def test_a_cursor_serves_only_its_own_list(catalog: Any) -> None:
    """Architecture §6: opaque and signed."""
    category = await catalog.category()
    for _ in range(2):
        await catalog.list_item(category)
    cursor = (await catalog.call("GET", "/products?limit=1")).json()["next_cursor"]
    forged = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    for query in (f"category_id={category}&cursor={cursor}", f"cursor={forged}", "cursor=%01", "cursor=é"):
        answer = await catalog.call("GET", f"/products?limit=1&{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor_malformed"), query
    assert (await catalog.call("GET", "/products?limit=0")).status_code == 422
    assert (await catalog.call("GET", "/products?limit=101")).status_code == 422


async def test_a_category_stands_for_its_branch(catalog: Any) -> None:
    women = await catalog.category("Women")
    dresses = await catalog.category("Dresses", parent_id=str(women))
    shoes = await catalog.category("Shoes")
    item = await catalog.list_item(dresses)
    await catalog.list_item(shoes)
    for category in (women, dresses):
        shown = (await catalog.call("GET", f"/products?category_id={category}")).json()["data"]
        assert [card["id"] for card in shown] == [item["id"]]
    await catalog.call("DELETE", f"/products/{item['id']}", catalog.seller)
    assert (await catalog.call("GET", f"/products?category_id={women}")).json()["data"] == []
    assert (await catalog.call("GET", f"/products?category_id={new_id()}")).status_code == 404


async def test_lists_show_what_is_for_sale_and_sellers_all_of_their_own(
    catalog: Any, purchase: Callable[..., Any]
) -> None:
    category = await catalog.category()
    sold, removed, reserved, free = [await catalog.list_item(category) for _ in range(4)]
    other = await catalog.list_item(category, somebody("Bo"))
    await catalog.give("catalog.stock", purchase(sold).confirmed(), purchase(reserved).started())
    await catalog.call("DELETE", f"/products/{removed['id']}", catalog.seller)
    await catalog.deps.cache.evict("*")
    path = f"/products?seller_id={catalog.seller.user_id}"

    async def statuses(path: str, by: Any = None) -> list[tuple[str, str]]:
        cards = (await catalog.call("GET", path, by)).json()["data"]
        return [(card["id"], card["status"]) for card in cards]

    for_sale = [(free["id"], "AVAILABLE"), (reserved["id"], "RESERVED")]
    assert await statuses("/products") == [(other["id"], "AVAILABLE"), *for_sale]
    assert await statuses(path) == for_sale
    assert await statuses(path, catalog.operator) == for_sale
    own = [*for_sale, (removed["id"], "REMOVED"), (sold["id"], "SOLD")]
    assert await statuses(path, catalog.seller) == own


async def test_many_come_in_the_order_asked(catalog: Any) -> None:
    """R-PERF-04, PF-05: missing and withdrawn ones are empty."""
    category = await catalog.category()
    items = [await catalog.list_item(category) for _ in range(3)]
    await catalog.call("DELETE", f"/products/{items[1]['id']}", catalog.seller)
    asked = [items[2]["id"], str(new_id()), items[1]["id"], items[0]["id"], items[2]["id"]]
    answer = await catalog.call("GET", "/products/batch", params=[("id", one) for one in asked])
    data = answer.json()["data"]
    assert [one and one["id"] for one in data] == [asked[0], None, None, asked[3], asked[4]]
    assert data[0]["seller"]["name"] == "Ada"
    assert data[0]["images"][0]["url"].startswith("https://")
    assert (await catalog.call("GET", "/products/batch")).status_code == 422


async def test_the_number_of_queries_does_not_grow_with_the_page(catalog: Any) -> None:
    """R-PERF-02, R-PERF-04, R-PERF-06: related data in one round trip each, never one per item."""
    category = await catalog.category()
    sellers = [somebody(f"Seller {n}") for n in range(12)]
    items = [await catalog.list_item(category, seller) for seller in sellers]

    async def queries(path: str, **options: Any) -> int:
        await catalog.deps.cache.evict("*")
        async with catalog.statements() as statements:
            assert (await catalog.call("GET", path, **options)).status_code == 200
        return len(statements)

    for path, most in (
        ("/products?limit={n}", 2),
        (f"/products?category_id={category}&limit={{n}}", 3),
    ):
        counts = {await queries(path.format(n=n)) for n in (1, 12)}
        assert counts == {most}, path
    ids = [("id", item["id"]) for item in items]
    assert {await queries("/products/batch", params=ids[:n]) for n in (1, 12)} == {3}
    assert await queries(f"/products/{items[0]['id']}") == 2
    assert await queries(f"/products/{items[0]['id']}?expand=seller,category,related") == 6
    assert await queries("/categories") == 1


async def test_what_was_read_comes_from_the_cache(catalog: Any) -> None:
    """R-PERF-01."""
    item = await catalog.item()
    for path in (f"/products/{item['id']}", "/products/stats", "/categories"):
        first = (await catalog.call("GET", path)).json()
        async with catalog.statements() as statements:
            assert (await catalog.call("GET", path)).json() == first
        assert statements == [], path


@pytest.mark.parametrize("of", ["everything", "category", "seller", "own"])
async def test_lists_walk_an_index(catalog: Any, of: str) -> None:
    """R-PERF-02: page 10,000 costs what page 1 costs, so no plan may sort."""
    item = await catalog.list_item(await catalog.category())
    copies = (
        "insert into product select copy.* from product, generate_series(1, 3000) as n, "
        "jsonb_populate_record(product, jsonb_build_object("
        "'product_id', gen_random_uuid(), 'created_at', created_at - n * interval '1 s')) as copy"
    )
    async with catalog.deps.db.transaction() as tx:
        await tx.session.execute(text(copies))
        await tx.session.execute(text("analyze product"))
    wanted = {
        "everything": Filter(),
        "category": Filter(branch=(UUID(item["category_id"]),)),
        "seller": Filter(seller_id=UUID(item["seller_id"])),
        "own": Filter(seller_id=UUID(item["seller_id"]), unlisted_too=True),
    }[of]
    deep = (datetime.now(UTC) - timedelta(minutes=40), new_id())
    statement = newest_statement(wanted, deep, 21).compile(
        catalog.deps.db.engine.sync_engine, compile_kwargs={"literal_binds": True}
    )
    async with catalog.deps.db.read() as session:
        plan = "\n".join(await session.scalars(text(f"explain {statement}".replace(":", "\\:"))))
    assert "Index Scan using ix_product_" in plan, plan
    assert "Sort" not in plan, plan


async def test_the_figures(catalog: Any, purchase: Callable[..., Any]) -> None:
    """R-PERF-07: total, average price, count by category; over what is listed."""
    empty = (await catalog.call("GET", "/products/stats")).json()
    assert (empty["total_products"], empty["avg_price"], empty["category_stats"]) == (0, None, [])
    dresses, shoes = await catalog.category("Dresses"), await catalog.category("Shoes")
    await catalog.list_item(dresses, price="10")
    await catalog.list_item(dresses, price="10.01")
    await catalog.list_item(shoes, price="7000", currency="JPY")
    sold = await catalog.list_item(shoes, price="900")
    await catalog.give("catalog.stock", purchase(sold).confirmed())
    remembered = (await catalog.call("GET", "/products/stats")).json()
    assert remembered == empty
    await catalog.deps.cache.evict("product:stats")
    stats = (await catalog.call("GET", "/products/stats")).json()
    assert stats["total_products"] == 3
    assert stats["avg_price"] == {"amount_minor": 1001, "currency": "EUR", "formatted": "10.01 EUR"}
    counts = {UUID(one["category_id"]): one["products"] for one in stats["category_stats"]}
    assert counts == {dresses: 2, shoes: 1}


async def test_the_writers_next_read_is_never_stale(catalog: Any) -> None:
    """Architecture §6: no worker runs here, so nobody but the write itself can have dropped the caches."""
    item = await catalog.item()
    paths = (f"/products/{item['id']}", "/products", f"/products?category_id={item['category_id']}")
    for path in paths:
        await catalog.call("GET", path)
    for price in ("20", "21"):
        item = (await catalog.patch(item, price=price)).json()
        for path in paths:
            answer = (await catalog.call("GET", path)).json()
            shown = answer["data"][0] if "data" in answer else answer
            assert shown["price"] == item["price"], path


async def test_without_redis_everything_is_read_and_written(
    catalog: Any, purchase: Callable[..., Any]
) -> None:
    """Architecture §6: a dead Redis is a miss, never an error."""
    item = await catalog.item()
    await catalog.deps.cache.close()
    catalog.app.state.deps = catalog.deps.__class__(
        **{**vars(catalog.deps), "cache": catalog.deps.cache.__class__("redis://127.0.0.1:9", "catalog")}
    )
    changed = await catalog.patch(item, price="5")
    assert changed.status_code == 200
    assert (await catalog.shown(item))["price"]["amount_minor"] == 500
    assert (await catalog.call("GET", "/products")).json()["data"][0]["price"]["amount_minor"] == 500

"""`GET /v1/search` and its clicks."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from threadly_chassis.ids import new_id
from threadly_chassis.testing.database import statements
from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_contracts.catalog import ProductReserved, ProductSold, ProductUpdated
from threadly_search_indexer.use_cases.project_category import project_category
from threadly_search_indexer.use_cases.project_product import project_product
from threadly_search_indexer.use_cases.project_seller import project_seller

pytestmark = pytest.mark.integration
Make = Callable[..., Any]
Titles = Callable[[httpx.Response], list[str]]


async def test_a_listed_product_is_found_and_enriched(
    client: httpx.AsyncClient, shelf: Any, product: Make, seller: Make, category: Make
) -> None:
    """R-SRCH-03 to R-SRCH-05: the index's hit with what is true now."""
    person, dresses = seller(), category()
    await shelf.handle(project_seller, person, version=1)
    await shelf.handle(project_category, dresses)
    dress = product(seller_id=person.user_id, category_id=dresses.category_id)
    await shelf.put(dress)
    answer = await client.get("/v1/search", params={"q": "sumer dres"})  # two typing errors
    assert answer.headers["cache-control"] == "no-cache"
    page = answer.json()
    (hit,) = page["data"]
    assert hit["product_id"] == str(dress.product_id)
    assert hit["price"] == {"amount_minor": 2500, "currency": "EUR", "formatted": "25.00 EUR"}
    assert (hit["seller_name"], hit["category_name"]) == ("Anna Berg", "Dresses")
    assert (hit["is_available"], hit["seller_rating"]) == (True, None)
    assert (hit["favorite_count"], hit["view_count"]) == (0, 0)
    assert hit["tags"] == ["dresses", "zara", "red", "m", "very good"]
    assert (page["total"], page["degraded"], page["next_cursor"]) == (1, False, None)
    assert page["query_id"]


async def test_what_is_not_available_is_not_shown_though_the_index_still_has_it(
    client: httpx.AsyncClient, shelf: Any, product: Make, changed: Make, titles: Titles
) -> None:
    """R-SRCH-06, R-SRCH-10: the projection is ahead of the index; the index's order is kept."""
    dresses = [product(title=f"Dress {number}") for number in range(4)]
    await shelf.put(*dresses)
    reserved = changed(dresses[1], ProductReserved, status="RESERVED", checkout_id=new_id())
    sold = changed(dresses[2], ProductSold, status="SOLD", order_id=new_id(), sold_at=dresses[2].updated_at)
    await shelf.handle(project_product, reserved)
    await shelf.handle(project_product, sold)
    assert len(await shelf.indexed()) == 4
    assert titles(await client.get("/v1/search", params={"q": "dress"})) == ["Dress 3", "Dress 0"]


async def test_a_page_with_sold_items_is_refilled_and_the_cursor_skips_nothing(
    client: httpx.AsyncClient, shelf: Any, product: Make, changed: Make, titles: Titles
) -> None:
    """E073."""
    dresses = [product(title=f"Dress {number:02}") for number in range(12)]
    await shelf.put(*dresses)
    for number in (11, 10, 8, 5):
        sold = changed(
            dresses[number], ProductSold, status="SOLD", order_id=new_id(), sold_at=dresses[0].updated_at
        )
        await shelf.handle(project_product, sold)
    first = await client.get("/v1/search", params={"sort": "newest", "limit": 4})
    assert titles(first) == ["Dress 09", "Dress 07", "Dress 06", "Dress 04"]
    second = await client.get(
        "/v1/search", params={"sort": "newest", "limit": 4, "cursor": first.json()["next_cursor"]}
    )
    assert titles(second) == ["Dress 03", "Dress 02", "Dress 01", "Dress 00"]
    assert second.json()["next_cursor"] is None


async def test_paging_neither_repeats_nor_skips_while_items_come_and_go(
    client: httpx.AsyncClient, shelf: Any, product: Make, changed: Make, titles: Titles
) -> None:
    """E082: between two pages one shown item is sold and two are listed."""
    dresses = [product(title=f"Dress {number}") for number in range(8)]
    await shelf.put(*dresses)
    asked: dict[str, Any] = {"sort": "newest", "limit": 3}
    first = await client.get("/v1/search", params=asked)
    assert titles(first) == ["Dress 7", "Dress 6", "Dress 5"]
    sold = changed(dresses[6], ProductSold, status="SOLD", order_id=new_id(), sold_at=dresses[0].updated_at)
    await shelf.put(sold, product(title="Newer 1"), product(title="Newer 2"))
    second = await client.get("/v1/search", params=asked | {"cursor": first.json()["next_cursor"]})
    assert titles(second) == ["Dress 4", "Dress 3", "Dress 2"]


async def test_a_cursor_belongs_to_its_search(client: httpx.AsyncClient, shelf: Any, product: Make) -> None:
    await shelf.put(product(), product())
    first = await client.get("/v1/search", params={"limit": 1})
    cursor = first.json()["next_cursor"]
    for params in ({"q": "dress", "cursor": cursor}, {"cursor": "forged"}, {"cursor": cursor, "page": 2}):
        answer = await client.get("/v1/search", params=params)
        assert answer.status_code == 422, params
    assert (await client.get("/v1/search", params={"limit": 1, "page": 2})).json()["data"]


async def test_a_second_search_comes_from_the_cache_until_something_changes(
    client: httpx.AsyncClient, shelf: Any, product: Make, algolia: Any, titles: Titles
) -> None:
    """R-SRCH-01, R-SRCH-02, R-SRCH-07: a hit needs no index; a new listing is in the next answer."""
    await shelf.put(product(title="Dress 1"))
    assert titles(await client.get("/v1/search", params={"q": "dress"})) == ["Dress 1"]
    await algolia.control(down=True)
    again = await client.get("/v1/search", params={"q": "  DRESS "})
    assert (titles(again), again.json()["degraded"]) == (["Dress 1"], False)
    await algolia.control()
    await shelf.put(product(title="Dress 2"))
    assert titles(await client.get("/v1/search", params={"q": "dress"})) == ["Dress 2", "Dress 1"]


@pytest.mark.parametrize("fault", [{"down": True}, {"slow_ms": 3000}, {"status": 429}, {"status": 403}])
async def test_without_the_index_the_database_answers_and_says_so(
    client: httpx.AsyncClient, shelf: Any, product: Make, algolia: Any, titles: Titles, fault: dict[str, Any]
) -> None:
    """E077, architecture §2."""
    await shelf.put(product(title="Blue dress", brand="Levi's"), product(title="Green coat"))
    await algolia.control(**fault)
    answer = await client.get("/v1/search", params={"q": "blue dre"})
    assert titles(answer) == ["Blue dress"]
    assert (answer.json()["degraded"], answer.json()["total"]) == (True, None)
    assert answer.json()["query_id"]


async def test_the_index_is_used_again_when_it_is_back(
    client: httpx.AsyncClient, shelf: Any, product: Make, algolia: Any
) -> None:
    """The official client would stay off for 300 s (providers §0.2)."""
    await shelf.put(product())
    await algolia.control(down=True)
    assert (await client.get("/v1/search", params={"q": "a"})).json()["degraded"]
    await algolia.control()
    assert not (await client.get("/v1/search", params={"q": "b"})).json()["degraded"]


FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({"min_price": "20", "max_price": "30.50"}, ["B"]),
    ({"min_price": "20"}, ["C", "B"]),
    ({"max_price": "2000", "currency": "JPY"}, ["D"]),
    ({"condition": ["GOOD", "NEW_WITH_TAGS"]}, ["C", "A"]),
    ({"size": "M", "color": "blue"}, ["C"]),
    ({"brand": "Levi's"}, ["A"]),
    ({"brand": '-x" OR price_minor>0'}, ["B"]),
    ({"brand": "zara' OR 1=1 --"}, []),
    ({"sort": "price_asc", "currency": "EUR"}, ["A", "B", "C"]),
    ({"sort": "price_desc", "currency": "EUR"}, ["C", "B", "A"]),
    ({"sort": "newest"}, ["D", "C", "B", "A"]),
]


@pytest.mark.parametrize("degraded", [False, True])
async def test_filters_and_orders(
    client: httpx.AsyncClient, shelf: Any, product: Make, algolia: Any, titles: Titles, *, degraded: bool
) -> None:
    """The index and the database mean the same; no value is read as a filter language."""
    await shelf.put(
        product(title="A", price={"amount_minor": 1000, "currency": "EUR"}, condition="GOOD", brand="Levi's"),
        product(
            title="B", price={"amount_minor": 3050, "currency": "EUR"}, brand='-x" OR price_minor>0', size="S"
        ),
        product(
            title="C",
            price={"amount_minor": 9999, "currency": "EUR"},
            condition="NEW_WITH_TAGS",
            color="blue",
        ),
        product(title="D", price={"amount_minor": 2000, "currency": "JPY"}, brand=None),
    )
    await algolia.control(down=degraded)
    for params, expected in FILTERS:
        answer = await client.get("/v1/search", params=params)
        assert titles(answer) == expected, params
        assert answer.json()["degraded"] is degraded


@pytest.mark.parametrize("degraded", [False, True])
async def test_a_search_in_a_category_looks_below_it(
    client: httpx.AsyncClient,
    shelf: Any,
    product: Make,
    category: Make,
    algolia: Any,
    titles: Titles,
    *,
    degraded: bool,
) -> None:
    women = category(name="Women")
    dresses = category(parent_id=women.category_id)
    men = category(name="Men")
    for each in (women, dresses, men):
        await shelf.handle(project_category, each)
    await shelf.put(
        product(title="A", category_id=dresses.category_id), product(title="B", category_id=men.category_id)
    )
    await algolia.control(down=degraded)
    params = {"category_id": str(women.category_id)}
    assert titles(await client.get("/v1/search", params=params)) == ["A"]
    assert titles(await client.get("/v1/search", params={"category_id": str(new_id())})) == []


#: What is typed, and whether it finds a product called "Dress" (E079).
TEXTS = {
    "": True,
    "   ": True,
    "*": True,
    "👗🔥": True,
    '"': True,
    "'; drop table search_product; --": False,
    "x" * 500: False,
    "dress " * 200: True,
    "the": False,
    "dress & | ! <-> :*": True,
    "dress\x00": True,
    "платье": False,
}


@pytest.mark.parametrize("degraded", [False, True])
async def test_any_text_is_a_search(
    client: httpx.AsyncClient, shelf: Any, product: Make, algolia: Any, titles: Titles, *, degraded: bool
) -> None:
    """E079: 200 with a defined meaning; without a letter or digit everything matches."""
    await shelf.put(product(title="Dress"))
    await algolia.control(down=degraded)
    for text, found in TEXTS.items():
        answer = await client.get("/v1/search", params={"q": text})
        assert titles(answer) == (["Dress"] if found else []), text
        assert answer.json()["degraded"] is degraded


async def test_what_cannot_be_meant_is_refused(client: httpx.AsyncClient) -> None:
    """E049."""
    wrongs: list[dict[str, Any]] = [
        {"min_price": "1e3"},
        {"max_price": "NaN"},
        {"limit": 0},
        {"limit": 101},
        {"sort": "best"},
        {"category_id": "women"},
    ]
    for params in wrongs:
        assert (await client.get("/v1/search", params=params)).status_code == 422, params


async def test_an_unknown_record_in_the_index_is_dropped(
    client: httpx.AsyncClient, shelf: Any, product: Make, deps: Any, titles: Titles
) -> None:
    """E074: ids the database never had, one of them not even an id."""
    known = product(title="Known")
    await shelf.put(known)
    for object_id in (str(new_id()), "not-an-id"):
        await deps.index.put({"objectID": object_id, "title": "Stranger", "version": 1, "created_at": 0})
    assert titles(await client.get("/v1/search")) == ["Known"]


async def test_search_works_without_redis(
    client: httpx.AsyncClient, shelf: Any, product: Make, titles: Titles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Architecture §2: everything without Redis."""
    await shelf.put(product(title="Dress"))
    app: Any = client._transport
    store = app.app.state.deps.cache._store

    async def dead(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(store, "_look", dead)
    assert titles(await client.get("/v1/search", params={"q": "dress"})) == ["Dress"]


async def test_one_search_asks_the_index_once_and_the_database_once(
    client: httpx.AsyncClient, shelf: Any, product: Make
) -> None:
    """R-PERF-02: related data in one query, however many hits."""
    await shelf.put(*(product() for _ in range(10)))
    app: Any = client._transport
    async with statements(app.app.state.deps.db) as queries:
        assert len((await client.get("/v1/search")).json()["data"]) == 10
    assert len([query for query in queries if "search_product" in query]) == 1


async def test_a_click_is_published_once_per_click_in_order(
    client: httpx.AsyncClient, shelf: Any, identity: TestIdentity
) -> None:
    """R-SRCH-09, SE-16: by a guest, then by somebody whose click is sent twice."""
    body = {"query_id": "q1", "product_id": str(new_id()), "position": 3}
    person = somebody()
    signed_in = identity.headers(person) | {"Idempotency-Key": "one click"}
    for position, headers in ((3, {}), (4, signed_in), (4, signed_in)):
        answer = await client.post("/v1/search/clicks", json=body | {"position": position}, headers=headers)
        assert answer.status_code == 204
    clicks = await shelf.published("search_result_clicked")
    assert [(click["query_id"], click["position"], click["user_id"]) for click in clicks] == [
        ("q1", 3, None),
        ("q1", 4, str(person.user_id)),
    ]
    versions = await shelf.query("select agg_version from outbox_event where agg_id = 'q1' order by id")
    assert [row["agg_version"] for row in versions] == [1, 2]


async def test_a_click_on_nothing_is_refused(client: httpx.AsyncClient) -> None:
    body = {"query_id": "q1", "product_id": str(new_id()), "position": 1}
    wrongs: list[dict[str, Any]] = [
        {"position": 0},
        {"query_id": "a b"},
        {"query_id": ""},
        {"user_id": "x"},
        {"product_id": "x"},
    ]
    for wrong in wrongs:
        assert (await client.post("/v1/search/clicks", json=body | wrong)).status_code == 422, wrong


async def test_an_edited_price_is_shown_at_once(
    client: httpx.AsyncClient, shelf: Any, product: Make, changed: Make
) -> None:
    """R-CAT-13: the database first; the hit carries what is true now even before the index has it."""
    dress = product()
    await shelf.put(dress)
    cheaper = changed(dress, ProductUpdated, price={"amount_minor": 999, "currency": "EUR"})
    await shelf.handle(project_product, cheaper)
    (hit,) = (await client.get("/v1/search")).json()["data"]
    assert hit["price"]["amount_minor"] == 999

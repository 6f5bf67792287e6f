"""Pure rules: what a search means, and its page."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from threadly_chassis.ids import new_id
from threadly_search_indexer.domain.listing import Listing, document_of
from threadly_search_indexer.domain.query import (
    Position,
    SearchQuery,
    Sort,
    normalise_text,
    normalise_values,
)
from threadly_search_indexer.gateways.algolia_query import search_params
from threadly_search_indexer.gateways.search_index import IndexHit
from threadly_search_indexer.settings import SearchIndexerSettings
from threadly_search_indexer.use_cases.fill_page import fill_page


@given(st.text(max_size=700))
def test_a_normalised_text_is_short_printable_and_stays_as_it_is(text: str) -> None:
    """E079."""
    once = normalise_text(text)
    assert normalise_text(once) == once
    assert len(once.encode()) <= 512
    assert "\x00" not in once
    assert not once or any(c.isalnum() for c in once)


def test_equal_wishes_are_equal_and_others_are_not() -> None:
    """E080: words, filters, sort and page each make another cache key."""
    base = SearchQuery(text=normalise_text("Red  DRESS"), brands=normalise_values(["b", "a", "b", " "]))
    assert base == SearchQuery(text=normalise_text("red dress"), brands=("a", "b"))
    others = [
        base,
        replace(base, text="red"),
        replace(base, brands=("a",)),
        replace(base, sizes=("a", "b"), brands=()),
        replace(base, min_price=1),
        replace(base, max_price=1),
        replace(base, currency="EUR"),
        replace(base, category_id=UUID(int=1)),
        replace(base, sort=Sort.NEWEST),
        replace(base, limit=5),
        base.at(Position(20)),
        base.at(Position(20, ("x",))),
    ]
    assert len({each.cache_key for each in others}) == len(others)
    assert base.fingerprint == base.at(Position(20)).fingerprint != others[1].fingerprint


def test_filter_values_cannot_become_filters() -> None:
    query = SearchQuery(brands=("-a", 'b" OR c:d'), currency="EUR", min_price=5)
    params = search_params(query, (), offset=0, length=3)
    assert params["facetFilters"] == [["currency:EUR"], ["brand:\\-a", 'brand:b" OR c:d']]
    assert params["numericFilters"] == ["price_minor>=5"]
    assert "filters" not in params


def listing(**changes: Any) -> Listing:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    return Listing(
        **{
            "product_id": new_id(),
            "document_version": 7,
            "status": "AVAILABLE",
            "title": "Dress",
            "description": "Worn once",
            "price_minor": 1234,
            "currency": "EUR",
            "original_price_minor": None,
            "condition": "VERY_GOOD",
            "size": None,
            "brand": None,
            "color": None,
            "material": None,
            "images": [],
            "category_id": new_id(),
            "category_name": None,
            "seller_id": new_id(),
            "seller_name": None,
            "seller_rating": None,
            "favorite_count": 0,
            "view_count": 0,
            "created_at": moment,
            "updated_at": moment,
            **changes,
        }
    )


@pytest.mark.parametrize(("currency", "price"), [("EUR", 12.34), ("JPY", 1234), ("KWD", 1.234)])
def test_a_document_has_the_price_as_a_number(currency: str, price: float) -> None:
    """R-CAT-10."""
    document = document_of(listing(currency=currency))
    assert (document["price"], document["price_minor"], document["currency"]) == (price, 1234, currency)
    assert document["created_at"] == 1795305600
    assert document["tags"] == ["very good"]
    assert document["brand"] is None


@settings(max_examples=300, deadline=None)
@example([True, True, True], 1, [(0, 0)])
@example([False] * 10 + [True], 1, [(0, 0)])
@given(
    st.lists(st.booleans(), max_size=60),
    st.integers(1, 7),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 59)), max_size=12),
)
async def test_pages_show_every_available_item_once_whatever_is_sold_between(
    available: list[bool], limit: int, sales: list[tuple[int, int]]
) -> None:
    """E073, E082: items available throughout are seen exactly once, in order."""
    items = [listing(status="AVAILABLE" if each else "SOLD") for each in available]
    known = {item.product_id: item for item in items}
    index = list(items)

    async def fetch(offset: int, length: int) -> list[IndexHit]:
        return [IndexHit(str(item.product_id)) for item in index[offset : offset + length]]

    async def enrich(ids: Any) -> dict[UUID, Listing]:
        return {each: known[each] for each in ids}

    sold: set[UUID] = set()
    seen: list[UUID] = []
    position: Position | None = Position()
    pages = 0
    while position is not None:
        page = await fill_page(fetch, enrich, limit=limit, start=position)
        assert len(page.shown) <= limit
        seen += [shown.listing.product_id for shown in page.shown]
        position = page.following
        # At most one item leaves the index between two pages: fewer than the anchors of a cursor.
        for item in [items[place] for at, place in sales if at == pages and place < len(items)][:1]:
            sold.add(item.product_id)
            known[item.product_id] = replace(item, status="SOLD")
            index[:] = [each for each in index if each.product_id != item.product_id]
        pages += 1
    stayed = [item.product_id for item in items if item.is_available and item.product_id not in sold]
    assert [each for each in seen if each not in sold] == stayed
    assert len(seen) == len(set(seen))


async def test_a_page_that_cannot_be_filled_in_five_rounds_says_where_to_go_on() -> None:
    """E073: a thousand sold items in a row do not make one request ask for ever."""
    calls = 0

    async def fetch(offset: int, length: int) -> list[IndexHit]:
        nonlocal calls
        calls += 1
        return [IndexHit(str(UUID(int=at))) for at in range(offset, offset + length)]

    async def nothing(_: Any) -> dict[UUID, Listing]:
        return {}

    page = await fill_page(fetch, nothing, limit=9, start=Position())
    last = tuple(str(UUID(int=at)) for at in range(45, 50))
    assert (calls, page.shown, page.following) == (5, [], Position(50, last))
    assert page.unknown == 50


def test_production_refuses_the_sandbox_s_search() -> None:
    urls = dict.fromkeys(("database_url", "amqp_url", "redis_url"), "x://y")
    real = {
        "mode": "production",
        "algolia_api_key": "k",
        "cursor_secret": "c",
        "algolia_hosts": ("https://a.algolia.net",),
    }
    SearchIndexerSettings.model_validate(urls | real)
    with pytest.raises(ValidationError, match="sandbox hosts"):
        SearchIndexerSettings.model_validate(urls | real | {"algolia_hosts": ("http://127.0.0.1:7303",)})

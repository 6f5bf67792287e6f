"""A search: cache → index → what is true now → cache (R-SRCH-01 to R-SRCH-08, R-SRCH-10)."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from threadly_chassis.cache import CACHE_TTL
from threadly_chassis.http import MoneyView
from threadly_chassis.ids import new_id
from threadly_chassis.observability.logging import get_logger
from threadly_chassis.observability.metrics import DOMAIN_EVENTS

from ..dependencies import SearchDeps
from ..domain.cache_tags import SEARCH, product_tag
from ..domain.listing import Listing, tags_of
from ..domain.query import SearchQuery
from ..gateways.search_index import IndexHit, SearchIndexError
from ..storage.names import category_family
from ..storage.products import get_listings
from ..storage.text_search import find_products
from .fill_page import FilledPage, Shown, fill_page

#: An answer without the index is kept just long enough to spare the database a crowd, seconds.
_DEGRADED_TTL = 2

_log = get_logger(__name__)


async def search_products(query: SearchQuery, *, deps: SearchDeps) -> dict[str, Any]:
    """Return a page of available products in the index's order, as JSON-able values."""
    started = time.perf_counter()
    loaded = False

    async def load() -> dict[str, Any]:
        nonlocal loaded
        loaded = True
        return await _Search(query, deps).run()

    page: dict[str, Any] = await deps.cache.get_or_load(
        query.cache_key,
        load,
        ttl=lambda found: _DEGRADED_TTL if found["degraded"] else CACHE_TTL.SHORT,
        tags=lambda found: [SEARCH, *(product_tag(hit["product_id"]) for hit in found["data"])],
    )
    _log.info(
        "search",
        cache="miss" if loaded else "hit",
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
        hits=len(page["data"]),
        filtered_out=page["filtered_out"],
        degraded=page["degraded"],
        sort=query.sort,
        query_length=len(query.text),
    )
    return page


class _Search:
    """One search past the cache."""

    def __init__(self, query: SearchQuery, deps: SearchDeps) -> None:
        position = query.position
        self._now = int(deps.clock.now().timestamp())
        self._query = query
        self._deps = deps
        self._start = replace(position, pinned=position.pinned or self._now)
        self._categories: Sequence[UUID] = ()
        self._total: int | None = None
        self._query_id: str | None = None

    async def run(self) -> dict[str, Any]:
        if self._query.category_id is not None:
            async with self._deps.db.read() as session:
                self._categories = await category_family(session, self._query.category_id)
        try:
            page, degraded = await self._fill(self._from_index), False
        except SearchIndexError as error:
            _log.warning("search_degraded", error=str(error))
            self._total = None
            page, degraded = await self._fill(self._from_database), True
        if page.unknown:
            DOMAIN_EVENTS.labels("search_drift_seen").inc(page.unknown)
        return self._answer(page, degraded=degraded)

    async def _fill(self, fetch: Any) -> FilledPage:
        return await fill_page(fetch, self._enrich, limit=self._query.limit, start=self._start)

    async def _from_index(self, offset: int, length: int) -> list[IndexHit]:
        found = await self._deps.index.search(self._query, self._categories, offset=offset, length=length)
        self._total, self._query_id = found.total, found.query_id
        return found.hits

    async def _from_database(self, offset: int, length: int) -> list[IndexHit]:
        async with self._deps.db.read() as session:
            ids = await find_products(session, self._query, self._categories, offset, length)
        return [IndexHit(str(each)) for each in ids]

    async def _enrich(self, ids: Sequence[UUID]) -> dict[UUID, Listing]:
        async with self._deps.db.read() as session:
            return await get_listings(session, ids)

    def _answer(self, page: FilledPage, *, degraded: bool) -> dict[str, Any]:
        following = page.following
        return {
            "data": [_hit(shown) for shown in page.shown],
            "next_cursor": following
            and self._deps.cursors.encode(
                self._query.fingerprint, following.offset, following.pinned or 0, ",".join(following.anchors)
            ),
            "query_id": self._query_id or new_id().hex,
            "total": self._total,
            "degraded": degraded,
            "filtered_out": page.filtered_out,
        }


def _hit(shown: Shown) -> dict[str, Any]:
    """Merge (R-SRCH-05): the index's fields under what the projection knows, which is never older."""
    listing = shown.listing
    original = listing.original_price_minor
    return {
        "tags": shown.hit.fields.get("tags") or tags_of(listing),
        "product_id": str(listing.product_id),
        "title": listing.title,
        "description": listing.description,
        "price": MoneyView.of(listing.price_minor, listing.currency).model_dump(),
        "original_price": (
            None if original is None else MoneyView.of(original, listing.currency).model_dump()
        ),
        "condition": listing.condition,
        "size": listing.size,
        "brand": listing.brand,
        "color": listing.color,
        "material": listing.material,
        "images": listing.images,
        "category_id": str(listing.category_id),
        "category_name": listing.category_name,
        "seller_id": str(listing.seller_id),
        "seller_name": listing.seller_name,
        "seller_rating": listing.seller_rating,
        "favorite_count": listing.favorite_count,
        "view_count": listing.view_count,
        "is_available": listing.is_available,
        "created_at": listing.created_at.isoformat(),
    }

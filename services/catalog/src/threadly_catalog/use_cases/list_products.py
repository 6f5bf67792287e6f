"""Products newest first, page by page (R-PERF-06)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from threadly_chassis.cache import CACHE_TTL
from threadly_chassis.db import ReadSession
from threadly_chassis.http import Cursors

from ..dependencies import CatalogDeps
from ..domain.errors import CategoryNotFound
from ..domain.tags import CATEGORIES, PRODUCTS, category_tag
from ..storage.categories import branch_ids
from ..storage.product_lists import Card, Filter, newest_cards
from ..storage.sellers import Seller, sellers_by_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductQuery:
    """What a list is asked for. A category stands for its whole branch; sellers see all that is theirs."""

    category_id: UUID | None = None
    seller_id: UUID | None = None
    viewer: UUID | None = None
    cursor: str | None = None
    limit: int = 20

    @property
    def own(self) -> bool:
        """Whether a seller looks at their own wardrobe, sold and withdrawn items included."""
        return self.seller_id is not None and self.seller_id == self.viewer

    @property
    def scope(self) -> str:
        """What a cursor is bound to."""
        return f"products:{self.category_id}:{self.seller_id}:{self.own}"


@dataclass(frozen=True, slots=True)
class ProductPage:
    """Cards, the sellers' names, and where the next page begins."""

    cards: list[Card]
    sellers: dict[UUID, Seller]
    next_cursor: str | None


async def list_products(deps: CatalogDeps, query: ProductQuery) -> ProductPage:
    """Read one page; raises `CursorMalformed` and, for a category that is not there, `CategoryNotFound`."""
    cursors = Cursors(deps.settings.cursor_secret.get_secret_value(), query.scope)
    after = cursors.after_row(query.cursor)
    cards = await _cards(deps, query, after)
    has_more, cards = len(cards) > query.limit, cards[: query.limit]
    following = cursors.encode(cards[-1].created_at, cards[-1].product_id) if has_more else None
    async with deps.db.read() as session:
        sellers = await sellers_by_id(session, (card.seller_id for card in cards))
    return ProductPage(cards, sellers, following)


async def _cards(deps: CatalogDeps, query: ProductQuery, after: tuple[datetime, UUID] | None) -> list[Card]:
    """One card more than the limit, to know of a next page."""
    if after is not None or query.own:
        async with deps.db.read() as session:
            cards, _ = await _read(session, query, after)
            return cards

    async def load() -> Any:
        async with deps.db.read() as session:
            cards, branch = await _read(session, query, None)
        return {"cards": [card.model_dump(mode="json") for card in cards], "branch": [*map(str, branch)]}

    # Only first pages: everybody asks for those; of the others there is no end.
    key = f"{query.scope}:{query.limit}"
    value = await deps.cache.get_or_load(key, load, ttl=CACHE_TTL.SHORT, tags=_tags)
    return [Card.model_validate(card) for card in value["cards"]]


def _tags(value: Any) -> Sequence[str]:
    branch = [category_tag(UUID(category_id)) for category_id in value["branch"]]
    return [CATEGORIES, *branch] if branch else [PRODUCTS]


async def _read(
    session: ReadSession, query: ProductQuery, after: tuple[datetime, UUID] | None
) -> tuple[list[Card], list[UUID]]:
    branch: list[UUID] = []
    if query.category_id is not None:
        branch = await branch_ids(session, query.category_id)
        if not branch:
            raise CategoryNotFound
    wanted = Filter(branch=tuple(branch) or None, seller_id=query.seller_id, unlisted_too=query.own)
    return await newest_cards(session, wanted, after, query.limit + 1), branch

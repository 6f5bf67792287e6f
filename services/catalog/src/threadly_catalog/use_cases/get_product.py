"""One product, with what belongs to it when it is asked for (R-PERF-05)."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from threadly_chassis.cache import CACHE_TTL
from threadly_contracts.catalog import ProductState

from ..dependencies import CatalogDeps
from ..domain.categories import Category
from ..domain.errors import ProductNotFound
from ..domain.lifecycle import REMOVED
from ..domain.tags import category_tag, product_tag
from ..storage.categories import find_category
from ..storage.product_lists import Card, similar_cards
from ..storage.products import products_by_id
from ..storage.sellers import Seller, sellers_by_id

SIMILAR = 8
_CARDS = TypeAdapter(list[Card])


class Relation(StrEnum):
    """What an answer can be expanded by (R-CAT-07)."""

    SELLER = "seller"
    CATEGORY = "category"
    RELATED = "related"


@dataclass(frozen=True, slots=True)
class Related:
    """Similar products, and the names of their sellers."""

    similar: list[Card]
    sellers: dict[UUID, Seller]


@dataclass(frozen=True, slots=True)
class ProductDetails:
    """A product and the relations that were asked for."""

    product: ProductState
    seller: Seller | None = None
    category: Category | None = None
    related: Related | None = None


async def get_product(
    deps: CatalogDeps, product_id: UUID, *, viewer: UUID | None, expand: Collection[Relation] = ()
) -> ProductDetails:
    """Read a product, and its relations in parallel.

    Raises `ProductNotFound`, also for one that its seller withdrew, unless the seller asks.
    """
    product = await _find(deps, product_id)
    if product is None or (product.status is REMOVED and product.seller_id != viewer):
        raise ProductNotFound
    seller, category, related = await asyncio.gather(
        _seller(deps, product, wanted=Relation.SELLER in expand),
        _category(deps, product, wanted=Relation.CATEGORY in expand),
        _related(deps, product, wanted=Relation.RELATED in expand),
    )
    return ProductDetails(product, seller, category, related)


async def _find(deps: CatalogDeps, product_id: UUID) -> ProductState | None:
    async def load() -> Any:
        async with deps.db.read() as session:
            found = (await products_by_id(session, [product_id])).get(product_id)
        return None if found is None else found.model_dump(mode="json")

    tag = product_tag(product_id)
    value = await deps.cache.get_or_load(tag, load, ttl=CACHE_TTL.MEDIUM, tags=(tag,))
    return None if value is None else ProductState.model_validate(value)


async def _seller(deps: CatalogDeps, product: ProductState, *, wanted: bool) -> Seller | None:
    if not wanted:
        return None
    async with deps.db.read() as session:
        return (await sellers_by_id(session, [product.seller_id])).get(product.seller_id)


async def _category(deps: CatalogDeps, product: ProductState, *, wanted: bool) -> Category | None:
    if not wanted:
        return None
    async with deps.db.read() as session:
        return await find_category(session, product.category_id)


async def _related(deps: CatalogDeps, product: ProductState, *, wanted: bool) -> Related | None:
    if not wanted:
        return None

    async def load() -> Any:
        async with deps.db.read() as session:
            return _CARDS.dump_python(await similar_cards(session, product.product_id, SIMILAR), mode="json")

    # Any change in the category may change who is similar; so may a move of the product itself.
    tags = (product_tag(product.product_id), category_tag(product.category_id))
    value = await deps.cache.get_or_load(
        f"product:{product.product_id}:similar", load, ttl=CACHE_TTL.MEDIUM, tags=tags
    )
    similar = _CARDS.validate_python(value)
    async with deps.db.read() as session:
        return Related(similar, await sellers_by_id(session, (card.seller_id for card in similar)))

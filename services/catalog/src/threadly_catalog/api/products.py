"""`/v1/products`."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from threadly_chassis.db import Transaction
from threadly_chassis.http import CurrentPrincipal, CurrentTransaction, OptionalPrincipal, router

from ..dependencies import Deps
from ..domain.errors import FieldInvalid
from ..domain.tags import tags_of_product
from ..storage.sellers import Seller
from ..use_cases.change_product import Changed, change_product
from ..use_cases.create_product import create_product
from ..use_cases.get_product import Relation, get_product
from ..use_cases.get_product_stats import get_product_stats
from ..use_cases.list_products import ProductQuery, list_products
from ..use_cases.load_products import load_products
from .etags import Versioned, etag
from .schemas import ListParameters, ProductChanges, RawProductInput
from .views import ProductBatch, ProductList, ProductView, SellerView, StatsView

routes = router("/v1/products", tags=["products"])

#: The edge may serve a public answer for this many seconds; a browser asks each time, by its ETag, so that
#: sellers never see their own item as it was. With credentials nothing is shared (E089).
_PUBLIC, _PRIVATE = "public, max-age=0, s-maxage=5", "private, no-cache"


def _may_be_kept(response: Response, *, private: bool) -> None:
    response.headers["Cache-Control"] = _PRIVATE if private else _PUBLIC
    response.headers["Vary"] = "Authorization, Cookie"


@routes.post("", status_code=status.HTTP_201_CREATED)
async def create(
    body: RawProductInput,
    tx: CurrentTransaction,
    principal: CurrentPrincipal,
    deps: Deps,
    response: Response,
) -> ProductView:
    """List an item for sale."""
    seller = Seller(principal.user_id, principal.name, principal.picture)
    product = await create_product(
        tx,
        body.given(),
        seller=seller,
        rules=deps.rules,
        per_minute=deps.settings.listings_per_minute,
        clock=deps.clock,
    )
    _forget(tx, deps, Changed(product))
    response.headers["Location"] = f"{routes.prefix}/{product.product_id}"
    response.headers["ETag"] = etag(product.version)
    return ProductView.of(product)


@routes.get("")
async def show_list(
    deps: Deps,
    principal: OptionalPrincipal,
    response: Response,
    query: Annotated[ListParameters, Query()],
) -> ProductList:
    """Products newest first; a category stands for its whole branch, sellers see all of their own."""
    viewer = principal.user_id if principal else None
    page = await list_products(deps, ProductQuery(viewer=viewer, **query.model_dump()))
    _may_be_kept(response, private=viewer is not None)
    return ProductList.of(page)


@routes.get("/stats")
async def show_stats(deps: Deps) -> StatsView:
    """How many products are listed and what they cost, at most half an hour old."""
    return StatsView.of(await get_product_stats(deps), deps.settings.default_currency)


@routes.get("/batch")
async def show_batch(
    deps: Deps, product_ids: Annotated[list[UUID], Query(alias="id", min_length=1, max_length=100)]
) -> ProductBatch:
    """Products by id in the order asked, with sellers and images; null where there is none (R-PERF-04)."""
    async with deps.db.read() as session:
        loaded = await load_products(session, product_ids)
    return ProductBatch(
        data=[
            one and ProductView.of(one.product, SellerView.of(one.product.seller_id, one.seller))
            for one in loaded
        ]
    )


def _relations(expand: str) -> frozenset[Relation]:
    try:
        return frozenset(Relation(name.strip()) for name in expand.split(",") if name.strip())
    except ValueError:
        raise FieldInvalid.of("expand", f"It takes {', '.join(Relation)}.") from None


@routes.get("/{product_id}", response_model=ProductView)
async def show(
    product_id: UUID, deps: Deps, principal: OptionalPrincipal, versions: Versioned, expand: str = ""
) -> Response:
    """One item; `expand=seller,category,related` adds what belongs to it."""
    relations = _relations(expand)
    viewer = principal.user_id if principal else None
    details = await get_product(deps, product_id, viewer=viewer, expand=relations)
    body = ProductView.detailed(details).model_dump_json().encode()
    tag = etag(details.product.version, body if relations else b"")
    known = versions.knows(tag)
    response = Response(
        None if known else body,
        status.HTTP_304_NOT_MODIFIED if known else status.HTTP_200_OK,
        {"ETag": tag},
        "application/json",
    )
    _may_be_kept(response, private=viewer is not None)
    return response


@routes.patch("/{product_id}")
async def change(
    product_id: UUID,
    body: ProductChanges,
    tx: CurrentTransaction,
    principal: CurrentPrincipal,
    deps: Deps,
    versions: Versioned,
) -> ProductView:
    """Change one's own item; `If-Match` names the version that was seen."""
    changed = await change_product(
        tx,
        product_id,
        body.given(),
        actor=principal.user_id,
        is_current=versions.check(required=True),
        rules=deps.rules,
        clock=deps.clock,
    )
    _forget(tx, deps, changed)
    versions.tell(changed.product.version)
    return ProductView.of(changed.product)


@routes.delete("/{product_id}", status_code=status.HTTP_204_NO_CONTENT)
async def withdraw(
    product_id: UUID,
    tx: CurrentTransaction,
    principal: CurrentPrincipal,
    deps: Deps,
    versions: Versioned,
) -> None:
    """Withdraw one's own item; it can be relisted with `status: AVAILABLE`."""
    changed = await change_product(
        tx,
        product_id,
        {"status": "REMOVED"},
        actor=principal.user_id,
        is_current=versions.check(required=False),
        rules=deps.rules,
        clock=deps.clock,
    )
    _forget(tx, deps, changed)


def _forget(tx: Transaction, deps: Deps, changed: Changed) -> None:
    """Let the writer's next read be fresh; others' are when the event comes round (architecture §6)."""
    product = changed.product
    tags = tags_of_product(product.product_id, product.category_id, changed.previous_category_id)
    tx.after_commit(partial(deps.cache.drop_quietly, *tags))

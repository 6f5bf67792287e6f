"""Lists of products: cards with the first image only, read in one statement each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Select, and_, case, func, literal, select, tuple_

from threadly_chassis.db import ReadSession
from threadly_contracts.catalog import Condition, ProductStatus

from ..domain.lifecycle import LISTED
from .tables import ProductImageRow, ProductRow

#: Among how many of a category's newest items the similar ones are chosen: bounded, however big it grows.
_SIMILAR_AMONG = 200


class Card(BaseModel):
    """A product as lists show it."""

    model_config = ConfigDict(frozen=True)

    product_id: UUID
    version: int
    seller_id: UUID
    category_id: UUID
    status: ProductStatus
    title: str
    price_minor: int
    currency: str
    condition: Condition
    size: str | None
    brand: str | None
    image_url: str | None
    image_alt: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which products a list holds. `branch` are the categories' ids; None is every category."""

    branch: tuple[UUID, ...] | None = None
    seller_id: UUID | None = None
    unlisted_too: bool = False


_COLUMNS = (
    ProductRow.product_id,
    ProductRow.version,
    ProductRow.seller_id,
    ProductRow.category_id,
    ProductRow.status,
    ProductRow.title,
    ProductRow.price_minor,
    ProductRow.currency,
    ProductRow.condition,
    ProductRow.size,
    ProductRow.brand,
    ProductImageRow.url.label("image_url"),
    ProductImageRow.alt.label("image_alt"),
    ProductRow.created_at,
)
#: Written out and not bound, so that the planner sees that the partial indexes apply.
_IS_LISTED = ProductRow.status.in_([literal(status.value, literal_execute=True) for status in sorted(LISTED)])


def _cards() -> Select[*tuple[Any, ...]]:
    first_image = and_(ProductImageRow.product_id == ProductRow.product_id, ProductImageRow.position == 0)
    return select(*_COLUMNS).outerjoin(ProductImageRow, first_image)


async def _read(session: ReadSession, statement: Select[*tuple[Any, ...]]) -> list[Card]:
    return [Card.model_validate(dict(row)) for row in (await session.execute(statement)).mappings()]


async def newest_cards(
    session: ReadSession, wanted: Filter, after: tuple[datetime, UUID] | None, limit: int
) -> list[Card]:
    """At most `limit` cards, newest first, from after (created_at, id)."""
    return await _read(session, newest_statement(wanted, after, limit))


def newest_statement(
    wanted: Filter, after: tuple[datetime, UUID] | None, limit: int
) -> Select[*tuple[Any, ...]]:
    """The statement behind a page: it walks an index, so page 10,000 costs what page 1 costs."""
    statement = _cards().order_by(ProductRow.created_at.desc(), ProductRow.product_id.desc()).limit(limit)
    if not wanted.unlisted_too:
        statement = statement.where(_IS_LISTED)
    if wanted.seller_id is not None:
        statement = statement.where(ProductRow.seller_id == wanted.seller_id)
    if wanted.branch is not None:
        only = wanted.branch[0] if len(wanted.branch) == 1 else None
        # Equality, and not a list of one, lets the category's index give the order.
        statement = statement.where(
            ProductRow.category_id == only if only else ProductRow.category_id.in_(wanted.branch)
        )
    if after is not None:
        place = tuple_(ProductRow.created_at, ProductRow.product_id)
        statement = statement.where(place < tuple_(*map(literal, after)))
    return statement


async def similar_cards(session: ReadSession, product_id: UUID, limit: int) -> list[Card]:
    """The items most like one: of its category, its brand first, then the nearest price (R-PERF-05)."""
    itself = (
        select(ProductRow.category_id, ProductRow.brand, ProductRow.currency, ProductRow.price_minor)
        .where(ProductRow.product_id == product_id)
        .cte("itself")
    )
    newest = (
        select(ProductRow.product_id)
        .where(
            _IS_LISTED,
            ProductRow.category_id == select(itself.c.category_id).scalar_subquery(),
            ProductRow.product_id != product_id,
        )
        .order_by(ProductRow.created_at.desc(), ProductRow.product_id.desc())
        .limit(_SIMILAR_AMONG)
    )
    statement = (
        _cards()
        .join(itself, literal(True))
        .where(ProductRow.product_id.in_(newest))
        .order_by(
            case((ProductRow.brand == itself.c.brand, 0), else_=1),
            case((ProductRow.currency == itself.c.currency, 0), else_=1),
            func.abs(ProductRow.price_minor - itself.c.price_minor),
            ProductRow.product_id.desc(),
        )
        .limit(limit)
    )
    return await _read(session, statement)


@dataclass(frozen=True, slots=True)
class PriceCount:
    """How many listed products a category has in one currency, and the sum of their prices."""

    category_id: UUID
    currency: str
    products: int
    total_minor: int


async def price_counts(session: ReadSession) -> list[PriceCount]:
    """Count the listed products by category and currency."""
    statement = (
        select(
            ProductRow.category_id,
            ProductRow.currency,
            func.count(),
            func.sum(ProductRow.price_minor),
        )
        .where(_IS_LISTED)
        .group_by(ProductRow.category_id, ProductRow.currency)
        .order_by(ProductRow.category_id)
    )
    return [
        PriceCount(category_id, currency, products, int(total))
        for category_id, currency, products, total in await session.execute(statement)
    ]

"""Products: under their lock for writing, by id, and what an event says of them."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from threadly_chassis.db import ReadSession, WriteSession
from threadly_contracts.catalog import Condition, ProductImage, ProductState, ProductStatus
from threadly_contracts.values import Money

from ..domain.images import Image
from ..domain.stock import Hold, Stock
from .tables import ProductImageRow, ProductRow


async def lock_product(session: WriteSession, product_id: UUID) -> ProductRow | None:
    """A product with its images, under its row's lock; None when it is not there."""
    statement = (
        select(ProductRow)
        .where(ProductRow.product_id == product_id)
        .options(selectinload(ProductRow.images))
        .with_for_update(of=ProductRow)
        .execution_options(populate_existing=True)
    )
    row: ProductRow | None = await session.scalar(statement)
    return row


async def products_by_id(session: ReadSession, product_ids: Sequence[UUID]) -> dict[UUID, ProductState]:
    """The products that exist among `product_ids`, images included, in two statements (R-PERF-04)."""
    statement = (
        select(ProductRow)
        .where(ProductRow.product_id.in_(product_ids))
        .options(selectinload(ProductRow.images))
    )
    return {row.product_id: state_of(row) for row in await session.scalars(statement)}


async def each_product(session: ReadSession) -> AsyncIterator[ProductRow]:
    """Every product with its images, a few in memory at once."""
    statement = (
        select(ProductRow)
        .order_by(ProductRow.product_id)
        .options(selectinload(ProductRow.images))
        .execution_options(yield_per=200)
    )
    async for row in await session.stream_scalars(statement):
        yield row


async def listed_since(session: ReadSession, seller_id: UUID, moment: datetime) -> int:
    """How many products a seller has listed since a moment."""
    statement = select(func.count()).where(ProductRow.seller_id == seller_id, ProductRow.created_at >= moment)
    return await session.scalar(statement) or 0


async def held_until_before(session: ReadSession, moment: datetime, limit: int) -> list[UUID]:
    """The products whose hold should have ended before a moment, longest ago first."""
    statement = (
        select(ProductRow.product_id)
        .where(ProductRow.held_by.is_not(None), ProductRow.held_until < moment)
        .order_by(ProductRow.held_until)
        .limit(limit)
    )
    return list(await session.scalars(statement))


def put_images(row: ProductRow, images: Sequence[Image]) -> None:
    """Give a product these pictures, in this order (PR-10)."""
    held = {image.position: image for image in row.images}
    rows = []
    for position, image in enumerate(images):
        picture = held.get(position) or ProductImageRow(product_id=row.product_id, position=position)
        picture.url, picture.alt = image.url, image.alt
        rows.append(picture)
    row.images = rows


def images_of(row: ProductRow) -> tuple[Image, ...]:
    return tuple(Image(image.url, image.alt) for image in row.images)


def stock_of(row: ProductRow) -> Stock:
    """The row as the rules of stock see it."""
    hold = None
    if row.held_by is not None and row.held_since is not None and row.held_until is not None:
        hold = Hold(row.held_by, row.held_since, row.held_until)
    return Stock(ProductStatus(row.status), hold, row.order_id)


def put_stock(row: ProductRow, stock: Stock) -> None:
    """Write what the rules of stock decided into the row."""
    row.status, row.order_id = stock.status, stock.order_id
    hold = stock.hold
    row.held_by, row.held_since, row.held_until = (
        (hold.checkout_id, hold.since, hold.until) if hold else (None, None, None)
    )


def state_of(row: ProductRow) -> ProductState:
    """The whole public product."""
    return ProductState(**facts_of(row))


def facts_of(row: ProductRow) -> dict[str, Any]:
    """The fields that every product event has (state-carrying: no reader calls back)."""
    original = row.original_price_minor
    return {
        "product_id": row.product_id,
        "version": row.version,
        "seller_id": row.seller_id,
        "category_id": row.category_id,
        "status": ProductStatus(row.status),
        "title": row.title,
        "description": row.description,
        "description_text": row.description_text,
        "price": Money(amount_minor=row.price_minor, currency=row.currency),
        "original_price": (None if original is None else Money(amount_minor=original, currency=row.currency)),
        "condition": Condition(row.condition),
        "size": row.size,
        "brand": row.brand,
        "color": row.color,
        "material": row.material,
        "images": tuple(
            ProductImage(url=image.url, position=image.position, alt=image.alt) for image in row.images
        ),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }

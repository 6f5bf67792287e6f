"""What catalog says: what is for sale. Every product event carries the whole public product."""

from enum import StrEnum
from uuid import UUID

from .event import Event, Payload
from .values import Money, UtcDatetime


class ProductStatus(StrEnum):
    """Where an item stands (flows PR-26)."""

    AVAILABLE = "AVAILABLE"
    RESERVED = "RESERVED"
    SOLD = "SOLD"
    REMOVED = "REMOVED"


class Condition(StrEnum):
    """How worn an item is (flows PR-26)."""

    NEW_WITH_TAGS = "NEW_WITH_TAGS"
    NEW_WITHOUT_TAGS = "NEW_WITHOUT_TAGS"
    VERY_GOOD = "VERY_GOOD"
    GOOD = "GOOD"
    SATISFACTORY = "SATISFACTORY"


class ProductImage(Payload):
    """One picture of an item; `position` 0 is the first shown."""

    url: str
    position: int
    alt: str | None = None
    width: int | None = None
    height: int | None = None


class ProductState(Payload):
    """The whole public product at one version."""

    product_id: UUID
    version: int
    seller_id: UUID
    category_id: UUID
    status: ProductStatus
    title: str
    description: str
    """Sanitised HTML (R-CAT-04)."""
    description_text: str
    """The same without markup, for mail, index and push."""
    price: Money
    original_price: Money | None = None
    condition: Condition
    size: str | None = None
    brand: str | None = None
    color: str | None = None
    material: str | None = None
    images: tuple[ProductImage, ...]
    created_at: UtcDatetime
    updated_at: UtcDatetime


class ProductCreated(
    ProductState, Event, type="threadly.catalog.product_created.v1", aggregate="product", subject="product_id"
):
    """A seller listed an item."""


class ProductUpdated(
    ProductState, Event, type="threadly.catalog.product_updated.v1", aggregate="product", subject="product_id"
):
    """A seller changed an item's public face."""

    previous_category_id: UUID | None = None
    """The category it left, when it was moved: its caches are stale too (E068)."""


class ProductReserved(
    ProductState,
    Event,
    type="threadly.catalog.product_reserved.v1",
    aggregate="product",
    subject="product_id",
):
    """A checkout holds the item."""

    checkout_id: UUID


class ProductReleased(
    ProductState,
    Event,
    type="threadly.catalog.product_released.v1",
    aggregate="product",
    subject="product_id",
):
    """A checkout let go of the item; it can be bought again."""

    checkout_id: UUID


class ProductSold(
    ProductState, Event, type="threadly.catalog.product_sold.v1", aggregate="product", subject="product_id"
):
    """The item belongs to its buyer (R-ORD-06)."""

    order_id: UUID
    sold_at: UtcDatetime


class ProductRemoved(
    ProductState, Event, type="threadly.catalog.product_removed.v1", aggregate="product", subject="product_id"
):
    """The seller withdrew the item."""


class CategoryChanged(
    Event, type="threadly.catalog.category_changed.v1", aggregate="category", subject="category_id"
):
    """A category was made, renamed, moved or closed."""

    category_id: UUID
    version: int
    parent_id: UUID | None
    name: str
    slug: str
    position: int
    active: bool


EVENTS: tuple[type[Event], ...] = (
    CategoryChanged,
    ProductCreated,
    ProductUpdated,
    ProductReserved,
    ProductReleased,
    ProductSold,
    ProductRemoved,
)
#: Every event that carries the whole product.
PRODUCT_EVENTS: tuple[type[Event], ...] = (
    ProductCreated,
    ProductUpdated,
    ProductReserved,
    ProductReleased,
    ProductSold,
    ProductRemoved,
)
ProductEvent = (
    ProductCreated | ProductUpdated | ProductReserved | ProductReleased | ProductSold | ProductRemoved
)

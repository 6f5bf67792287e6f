"""Catalog's tables."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, SmallInteger, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from threadly_chassis.db import TYPES, new_metadata
from threadly_contracts.catalog import Condition, ProductStatus

_LISTED = text("status in ('AVAILABLE', 'RESERVED')")
_STATUSES = ", ".join(f"'{status}'" for status in ProductStatus)
_CONDITIONS = ", ".join(f"'{condition}'" for condition in Condition)


class Base(DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = TYPES


class CategoryRow(Base):
    """A node of the category tree."""

    __tablename__ = "category"
    __table_args__ = (Index("uq_category_slug", "slug", unique=True),)

    category_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("category.category_id"), index=True)
    name: Mapped[str]
    slug: Mapped[str]
    position: Mapped[int]
    active: Mapped[bool]


class CategoryCountRow(Base):
    """How many listed products are directly in a category, less the changes that are not folded in yet."""

    __tablename__ = "category_count"

    category_id: Mapped[UUID] = mapped_column(ForeignKey("category.category_id"), primary_key=True)
    listed: Mapped[int]


class CategoryCountChangeRow(Base):
    """A change of a category's count, to be folded into it.

    Every listing, sale and withdrawal changes a count. On one row all sellers of a category would wait for
    each other, and two moves in opposite directions could deadlock (PR-11); rows of their own meet nobody.
    """

    __tablename__ = "category_count_change"

    change_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    category_id: Mapped[UUID] = mapped_column(ForeignKey("category.category_id"))
    delta: Mapped[int]


class ProductRow(Base):
    """An item; it exists once."""

    __tablename__ = "product"
    __table_args__ = (
        CheckConstraint(f"status in ({_STATUSES})", name="status"),
        CheckConstraint(f"condition in ({_CONDITIONS})", name="condition"),
        CheckConstraint("price_minor > 0", name="price"),
        CheckConstraint(
            "(status = 'RESERVED') = (held_by is not null) "
            "and (held_by is null) = (held_since is null) and (held_by is null) = (held_until is null)",
            name="hold",
        ),
        CheckConstraint("(status = 'SOLD') = (order_id is not null)", name="sold"),
        # The lists, newest first: of everything, of a category, of a seller (R-PERF-06).
        Index(
            "ix_product_listed", text("created_at desc"), text("product_id desc"), postgresql_where=_LISTED
        ),
        Index(
            "ix_product_category_listed",
            "category_id",
            text("created_at desc"),
            text("product_id desc"),
            postgresql_where=_LISTED,
        ),
        Index("ix_product_seller", "seller_id", text("created_at desc"), text("product_id desc")),
        Index("ix_product_held_until", "held_until", postgresql_where=text("held_by is not null")),
    )

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    seller_id: Mapped[UUID]
    category_id: Mapped[UUID] = mapped_column(ForeignKey("category.category_id"))
    status: Mapped[str]
    title: Mapped[str]
    description: Mapped[str]
    description_text: Mapped[str]
    price_minor: Mapped[int]
    currency: Mapped[str]
    original_price_minor: Mapped[int | None]
    condition: Mapped[str]
    size: Mapped[str | None]
    brand: Mapped[str | None]
    color: Mapped[str | None]
    material: Mapped[str | None]
    held_by: Mapped[UUID | None]
    """The checkout that holds the item while it is RESERVED."""
    held_since: Mapped[datetime | None]
    held_until: Mapped[datetime | None]
    order_id: Mapped[UUID | None]
    """The order that it was sold to."""
    sold_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    images: Mapped[list["ProductImageRow"]] = relationship(
        order_by="ProductImageRow.position", cascade="all, delete-orphan", lazy="raise"
    )


class ProductImageRow(Base):
    """A picture of an item; position 0 is shown first."""

    __tablename__ = "product_image"

    product_id: Mapped[UUID] = mapped_column(ForeignKey("product.product_id"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    url: Mapped[str]
    alt: Mapped[str | None]


class SellerRow(Base):
    """The local copy of what is shown of a seller; fed by auth's events."""

    __tablename__ = "seller"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    picture: Mapped[str | None]


class EndedCheckoutRow(Base):
    """A checkout that is over: its start, should it come late, reserves nothing."""

    __tablename__ = "ended_checkout"

    checkout_id: Mapped[UUID] = mapped_column(primary_key=True)
    sold: Mapped[bool] = mapped_column(server_default=false())
    ended_at: Mapped[datetime] = mapped_column(index=True)

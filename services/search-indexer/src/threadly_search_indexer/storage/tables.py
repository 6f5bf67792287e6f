"""Search-indexer's tables: what it knows of products, categories and sellers, and the searches clicked on."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Computed, Index, func, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from threadly_chassis.db import TYPES, new_metadata

#: `simple` knows no language: titles come in all of them, and a stop word of one is a brand in another.
_VECTOR = (
    "setweight(to_tsvector('simple', title), 'A') || "
    "setweight(to_tsvector('simple', coalesce(brand, '') || ' ' || coalesce(category_name, '') || ' ' || "
    "coalesce(color, '')), 'B') || setweight(to_tsvector('simple', description), 'C')"
)


class Base(DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = TYPES


class SearchProductRow(Base):
    """A product with all that is searched or shown; never deleted, so a late event finds its newer self."""

    __tablename__ = "search_product"
    __table_args__ = (
        Index("ix_search_product_seller_id", "seller_id", "product_id"),
        Index("ix_search_product_category_id", "category_id", "product_id"),
        Index("ix_search_product_search_vector", "search_vector", postgresql_using="gin"),
        Index(
            "ix_search_product_newest",
            "created_at",
            "product_id",
            postgresql_where=text("status = 'AVAILABLE'"),
        ),
    )

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    """The product's, as catalog counts."""
    document_version: Mapped[int]
    """The document's: raised by every change of this row that shows."""
    indexed_version: Mapped[int] = mapped_column(server_default=text("0"))
    """The document version that the index last confirmed."""
    status: Mapped[str]
    title: Mapped[str]
    description: Mapped[str]
    price_minor: Mapped[int]
    currency: Mapped[str]
    original_price_minor: Mapped[int | None]
    condition: Mapped[str]
    size: Mapped[str | None]
    brand: Mapped[str | None]
    color: Mapped[str | None]
    material: Mapped[str | None]
    images: Mapped[list[str]]
    category_id: Mapped[UUID]
    category_name: Mapped[str | None]
    seller_id: Mapped[UUID]
    seller_name: Mapped[str | None]
    seller_rating: Mapped[float | None]
    favorite_count: Mapped[int] = mapped_column(server_default=text("0"))
    view_count: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    """When the document last changed, by this database's clock."""
    search_vector: Mapped[Any] = mapped_column(TSVECTOR, Computed(_VECTOR, persisted=True))


class SearchCategoryRow(Base):
    __tablename__ = "search_category"
    __table_args__ = (Index("ix_search_category_parent_id", "parent_id"),)

    category_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    parent_id: Mapped[UUID | None]
    name: Mapped[str]
    slug: Mapped[str]
    active: Mapped[bool]


class SearchSellerRow(Base):
    __tablename__ = "search_seller"

    seller_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    name: Mapped[str]
    """First and last name; empty when neither is known."""
    image_url: Mapped[str | None]


class SearchQueryRow(Base):
    """A search somebody clicked in: it orders its clicks."""

    __tablename__ = "search_query"
    __table_args__ = (Index("ix_search_query_clicked_at", "clicked_at"),)

    query_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    clicked_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

"""A product as the search knows it, and the document that the index holds of it."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from threadly_chassis.money import exponent

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One row of the projection. `document_version` rises with every change, whoever made it."""

    product_id: UUID
    document_version: int
    status: str
    title: str
    description: str
    price_minor: int
    currency: str
    original_price_minor: int | None
    condition: str
    size: str | None
    brand: str | None
    color: str | None
    material: str | None
    images: list[str]
    category_id: UUID
    category_name: str | None
    seller_id: UUID
    seller_name: str | None
    seller_rating: float | None
    favorite_count: int
    view_count: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_available(self) -> bool:
        """Whether it can be bought now: only then is it found (R-SRCH-06)."""
        return self.status == "AVAILABLE"


def tags_of(listing: Listing) -> list[str]:
    """Words that people filter by, generated from what the seller chose (R-CAT-10)."""
    chosen = (listing.category_name, listing.brand, listing.color, listing.material, listing.size)
    condition = listing.condition.replace("_", " ")
    return list(
        dict.fromkeys(" ".join(_WORD.findall(each)).casefold() for each in (*chosen, condition) if each)
    )


def document_of(listing: Listing) -> dict[str, Any]:
    """Make the index's document (R-CAT-10): `price` is for people, `price_minor` is what filters compare.

    Absent values are written as null: a partial update would keep the old ones.
    """
    return {
        "objectID": str(listing.product_id),
        "version": listing.document_version,
        "title": listing.title,
        "description": listing.description,
        "price": listing.price_minor / 10 ** exponent(listing.currency),
        "price_minor": listing.price_minor,
        "currency": listing.currency,
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
        "tags": tags_of(listing),
        "created_at": int(listing.created_at.timestamp()),
    }

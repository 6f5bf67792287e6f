"""A seller lists an item."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from threadly_chassis.clock import Clock
from threadly_chassis.db import Transaction
from threadly_chassis.ids import new_id
from threadly_contracts.catalog import ProductCreated, ProductState

from ..domain.errors import ListingTooFast
from ..domain.lifecycle import AVAILABLE
from ..domain.listing import ListingRules, clean_listing
from ..storage.categories import count_listed, lock_for_listing
from ..storage.products import facts_of, listed_since, put_images
from ..storage.sellers import Seller, introduce_seller
from ..storage.tables import ProductRow
from .tell_fact import tell_once_committed

_MINUTE = timedelta(minutes=1)


async def create_product(
    tx: Transaction,
    given: Mapping[str, Any],
    *,
    seller: Seller,
    rules: ListingRules,
    per_minute: int,
    clock: Clock,
) -> ProductState:
    """Insert the product, its pictures and the category's count as one (R-CAT-06), and say ProductCreated.

    Raises `FieldInvalid`, `PriceMalformed`, `CategoryNotUsable` (E062), `ListingTooFast` (E071).
    """
    listing = clean_listing(given, rules)
    now = clock.now()
    if await listed_since(tx.session, seller.user_id, now - _MINUTE) >= per_minute:
        raise ListingTooFast(retry_after=60)
    await lock_for_listing(tx.session, listing.category_id)
    await introduce_seller(tx.session, seller)
    row = ProductRow(
        product_id=new_id(),
        version=1,
        seller_id=seller.user_id,
        category_id=listing.category_id,
        status=AVAILABLE,
        title=listing.title,
        description=listing.description,
        description_text=listing.description_text,
        price_minor=listing.price_minor,
        currency=listing.currency,
        original_price_minor=listing.original_price_minor,
        condition=listing.condition,
        size=listing.size,
        brand=listing.brand,
        color=listing.color,
        material=listing.material,
        created_at=now,
        updated_at=now,
        images=[],
    )
    put_images(row, listing.images)
    tx.session.add(row)
    await tx.session.flush()
    await count_listed(tx.session, {row.category_id: 1})
    event = ProductCreated(**facts_of(row))
    await tx.publish(event, version=row.version)
    tell_once_committed(tx, "product_created", product_id=row.product_id, seller_id=row.seller_id)
    return event

"""A seller changes, withdraws or relists an item."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from threadly_chassis.clock import Clock
from threadly_chassis.db import Transaction
from threadly_contracts.catalog import ProductRemoved, ProductState, ProductStatus, ProductUpdated

from ..domain.errors import FieldInvalid, ItemFrozen, NotYourItem, ProductNotFound, VersionOutdated
from ..domain.lifecycle import FROZEN, LISTED, REMOVED, Mover, may_move
from ..domain.listing import Cleaned, ListingRules, check_original_price, clean_fields
from ..storage.categories import count_listed, lock_for_listing
from ..storage.products import facts_of, images_of, lock_product, put_images, state_of
from ..storage.tables import ProductRow

#: Whether a change meant for the version that the caller saw may be made to this one.
VersionCheck = Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class Changed:
    """The product as it is now, and the category that it left, if it did."""

    product: ProductState
    previous_category_id: UUID | None = None


async def change_product(
    tx: Transaction,
    product_id: UUID,
    given: Mapping[str, Any],
    *,
    actor: UUID,
    is_current: VersionCheck,
    rules: ListingRules,
    clock: Clock,
) -> Changed:
    """Apply the given fields under the product's lock and say what changed; nothing new, nothing said.

    Raises `ProductNotFound`, `NotYourItem` (E067), `ItemFrozen` (E010, E065), `VersionOutdated`,
    `FieldInvalid`, `PriceMalformed`, `CategoryNotUsable`.
    """
    row = await _own_product(tx, product_id, actor)
    fields = dict(given)
    status = ProductStatus(fields.pop("status", row.status))
    if status is REMOVED and fields:
        raise FieldInvalid.of("status", "Withdraw the item, or change it: one after the other.")
    _refuse_frozen(row)
    if not is_current(row.version):
        raise VersionOutdated(version=row.version)
    changes = _changes(row, clean_fields(fields, row.currency, rules))
    moves = status != row.status and may_move(Mover.SELLER, ProductStatus(row.status), status)
    if not (changes or moves):
        return Changed(state_of(row))
    before = row.category_id, row.status
    if "category_id" in changes or moves:
        await _check_category(tx, changes.get("category_id", row.category_id), status)
    _apply(row, changes, status, clock)
    await _count(tx, row, *before)
    previous = before[0] if before[0] != row.category_id else None
    await _announce(tx, row, withdrawn=moves and status is REMOVED, previous=previous)
    return Changed(state_of(row), previous)


async def _own_product(tx: Transaction, product_id: UUID, actor: UUID) -> ProductRow:
    row = await lock_product(tx.session, product_id)
    if row is None or (row.status == REMOVED and row.seller_id != actor):
        raise ProductNotFound
    if row.seller_id != actor:
        raise NotYourItem
    return row


def _refuse_frozen(row: ProductRow) -> None:
    if row.status in FROZEN:
        raise ItemFrozen(
            "Somebody is buying it." if row.held_by else "It is sold.", product_status=row.status
        )


def _changes(row: ProductRow, cleaned: Cleaned) -> Cleaned:
    present = {field: images_of(row) if field == "images" else getattr(row, field) for field in cleaned}
    return {field: value for field, value in cleaned.items() if present[field] != value}


async def _check_category(tx: Transaction, category_id: UUID, status: ProductStatus) -> None:
    if status is not REMOVED:
        await lock_for_listing(tx.session, category_id)


def _apply(row: ProductRow, changes: Cleaned, status: ProductStatus, clock: Clock) -> None:
    for field, value in changes.items():
        if field == "images":
            put_images(row, value)
        else:
            setattr(row, field, value)
    check_original_price(row.price_minor, row.original_price_minor)
    row.status = status
    row.version += 1
    row.updated_at = clock.now()


async def _count(tx: Transaction, row: ProductRow, old_category: UUID, old_status: str) -> None:
    changes = {old_category: -int(old_status in LISTED)}
    changes[row.category_id] = changes.get(row.category_id, 0) + int(row.status in LISTED)
    await count_listed(tx.session, changes)


async def _announce(tx: Transaction, row: ProductRow, *, withdrawn: bool, previous: UUID | None) -> None:
    facts = facts_of(row)
    event = ProductRemoved(**facts) if withdrawn else ProductUpdated(**facts, previous_category_id=previous)
    await tx.publish(event, version=row.version)

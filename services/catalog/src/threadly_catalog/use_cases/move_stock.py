"""What every move of stock does to the database; the events that ask for one have a file each."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from threadly_chassis.db import Transaction
from threadly_contracts import Event
from threadly_contracts.catalog import ProductStatus

from ..domain.errors import UnknownProduct
from ..domain.lifecycle import listed_change
from ..domain.stock import Stock
from ..storage.categories import count_listed
from ..storage.products import facts_of, lock_product, put_stock, stock_of
from ..storage.tables import ProductRow


async def lock_stock(tx: Transaction, product_id: UUID) -> ProductRow:
    """A product under its lock; raises `UnknownProduct`.

    Every handler of stock takes this lock first, so that what it then reads of ended checkouts is not
    about to change under it.
    """
    row = await lock_product(tx.session, product_id)
    if row is None:
        raise UnknownProduct(f"product {product_id} was never here", product_id=str(product_id))
    return row


async def move_stock(
    tx: Transaction,
    row: ProductRow,
    stock: Stock,
    *,
    now: datetime,
    says: Callable[[dict[str, Any]], Event],
) -> None:
    """Bring a locked product to `stock`, and publish what `says` makes of its facts; no move, no event."""
    before = stock_of(row)
    if stock == before:
        return
    put_stock(row, stock)
    row.version += 1
    row.updated_at = now
    by = listed_change(before.status, ProductStatus(row.status))
    await count_listed(tx.session, {row.category_id: by})
    event = says(facts_of(row))
    await tx.publish(event, version=row.version)
    tx.count(event.type)

"""An order is paid: the item belongs to its buyer."""

from threadly_chassis.messaging import Context
from threadly_contracts.catalog import ProductSold
from threadly_contracts.orders import OrderConfirmed

from ..dependencies import CatalogDeps
from ..domain.stock import sell
from ..storage.checkouts import remember_end
from ..storage.products import stock_of
from .move_stock import lock_stock, move_stock


async def sell_product(event: OrderConfirmed, context: Context[CatalogDeps]) -> None:
    """Mark the item as sold, whatever it was before: the buyer has paid (R-ORD-06).

    Raises `SoldTwice` when another order has it; that goes to the dead letters, where a person looks.
    """
    tx, now = context.tx, context.deps.clock.now()
    row = await lock_stock(tx, event.product_id)
    stock = sell(stock_of(row), event.order_id)
    await remember_end(tx.session, event.checkout_id, now, sold=True)
    row.sold_at = row.sold_at or event.confirmed_at
    await move_stock(
        tx,
        row,
        stock,
        now=now,
        says=lambda facts: ProductSold(**facts, order_id=event.order_id, sold_at=event.confirmed_at),
    )

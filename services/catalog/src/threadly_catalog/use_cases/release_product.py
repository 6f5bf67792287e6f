"""A checkout ended without a sale: the item is free again."""

from threadly_chassis.messaging import Context
from threadly_contracts.catalog import ProductReleased
from threadly_contracts.orders import CheckoutEnded

from ..dependencies import CatalogDeps
from ..domain.stock import release
from ..storage.checkouts import remember_end
from ..storage.products import stock_of
from .move_stock import lock_stock, move_stock


async def release_product(event: CheckoutEnded, context: Context[CatalogDeps]) -> None:
    """Free the item if that checkout holds it, and remember that the checkout is over."""
    tx, now = context.tx, context.deps.clock.now()
    row = await lock_stock(tx, event.product_id)
    await remember_end(tx.session, event.checkout_id, now, sold=False)
    await move_stock(
        tx,
        row,
        release(stock_of(row), event.checkout_id),
        now=now,
        says=lambda facts: ProductReleased(**facts, checkout_id=event.checkout_id),
    )

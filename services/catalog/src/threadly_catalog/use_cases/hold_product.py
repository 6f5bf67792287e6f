"""A checkout started: the item is being bought."""

from threadly_chassis.messaging import Context
from threadly_contracts.catalog import ProductReserved
from threadly_contracts.orders import CheckoutStarted

from ..dependencies import CatalogDeps
from ..domain.stock import Hold, reserve
from ..storage.checkouts import is_over
from ..storage.products import stock_of
from .move_stock import lock_stock, move_stock


async def hold_product(event: CheckoutStarted, context: Context[CatalogDeps]) -> None:
    """Reserve the item for the checkout, unless it is gone or the checkout is over (architecture §5 step 2).

    A withdrawn item stays so: orders hears of that from ProductRemoved and ends the checkout itself.
    """
    tx, now = context.tx, context.deps.clock.now()
    row = await lock_stock(tx, event.product_id)
    over = await is_over(tx.session, event.checkout_id)
    hold = Hold(event.checkout_id, event.started_at, event.expires_at)
    await move_stock(
        tx,
        row,
        reserve(stock_of(row), hold, over=over, now=now),
        now=now,
        says=lambda facts: ProductReserved(**facts, checkout_id=event.checkout_id),
    )

"""Keep the local copy of products, and end the checkout of an item that is no longer what was agreed."""

from threadly_chassis.messaging import Context
from threadly_contracts.catalog import ProductEvent, ProductStatus
from threadly_contracts.orders import CheckoutEnding

from ..dependencies import OrdersDeps
from ..storage import checkouts, products
from ..storage.tables import Checkout
from .release_item import release_item


async def track_product(event: ProductEvent, context: Context[OrdersDeps]) -> None:
    """Apply a product event to the copy.

    The copy's row lock comes first, so a checkout that begins at the same moment has either read this state
    or is seen here (E010). Money that is taken all the same is settled, and refunded, by `settle_payment`.
    """
    if not await products.store(context.tx.session, event, overrules=context.overrules):
        return
    checkout = await checkouts.lock_payable_on(context.tx.session, event.product_id)
    if checkout is not None and _is_gone(event, checkout):
        now = context.deps.clock.now()
        await release_item(context.tx, checkout, CheckoutEnding.PRODUCT_GONE, now=now)


def _is_gone(event: ProductEvent, checkout: Checkout) -> bool:
    """Whether the item was withdrawn or repriced; what the copy takes in is newer than any checkout of it."""
    return event.status is ProductStatus.REMOVED or event.price != checkout.price

"""Look at one's own checkout."""

from uuid import UUID

from ..dependencies import OrdersDeps
from ..domain.errors import CheckoutNotFound
from ..storage import checkouts, orders
from ..storage.tables import Checkout


async def get_checkout(
    checkout_id: UUID, *, buyer_id: UUID, deps: OrdersDeps
) -> tuple[Checkout, UUID | None]:
    """Return the buyer's checkout and the id of the order it became; raises `CheckoutNotFound`."""
    async with deps.db.read() as session:
        checkout = await checkouts.find(session, checkout_id)
        if checkout is None or checkout.buyer_id != buyer_id:
            raise CheckoutNotFound
        return checkout, await orders.of_checkout(session, checkout_id)

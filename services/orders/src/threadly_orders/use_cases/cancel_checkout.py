"""The buyer walks away."""

from uuid import UUID

from threadly_contracts.orders import CheckoutEnding

from ..dependencies import OrdersDeps
from ..domain.checkout import PAYABLE, CheckoutStatus
from ..domain.errors import CheckoutCompleted, PaymentInProgress
from ..storage.tables import Checkout
from .end_checkout import end_checkout
from .forget_orders import user_orders_tag
from .get_checkout import get_checkout


async def cancel_checkout(
    checkout_id: UUID, *, buyer_id: UUID, deps: OrdersDeps
) -> tuple[Checkout, UUID | None]:
    """Free the item and return the checkout; one that is over already stays as it is.

    A payment that was faster stands: the answer is then a completed checkout (E032). Raises
    `CheckoutNotFound`, `CheckoutCompleted`, `PaymentInProgress`, `PaymentsUnavailable`.
    """
    checkout, order_id = await get_checkout(checkout_id, buyer_id=buyer_id, deps=deps)
    if checkout.status is CheckoutStatus.COMPLETED:
        raise CheckoutCompleted(order_id=str(order_id))
    await end_checkout(checkout_id, CheckoutEnding.CANCELLED, deps=deps)
    checkout, order_id = await get_checkout(checkout_id, buyer_id=buyer_id, deps=deps)
    if checkout.status in PAYABLE:
        raise PaymentInProgress("Your bank is working on the payment. Ask again in a moment.")
    await deps.cache.drop_quietly(user_orders_tag(buyer_id))
    return checkout, order_id

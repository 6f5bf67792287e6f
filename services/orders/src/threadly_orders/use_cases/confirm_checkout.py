"""The synchronous branch: the buyer's page asks how the payment went, without waiting for the webhook."""

from uuid import UUID

from ..dependencies import OrdersDeps
from ..domain.checkout import PAYABLE, CheckoutStatus
from ..domain.errors import PaymentNotConfirmed
from ..storage.tables import Checkout
from .follow_intent import follow_intent
from .forget_orders import user_orders_tag
from .get_checkout import get_checkout


async def confirm_checkout(
    checkout_id: UUID, *, buyer_id: UUID, deps: OrdersDeps
) -> tuple[Checkout, UUID | None]:
    """Ask Stripe, do what the webhook would do, and return the checkout as it is then (R-ORD-14).

    Webhook and buyer may come at once: the checkout's lock lets one of them settle, the other finds it done.
    Raises `CheckoutNotFound`, `PaymentNotConfirmed` while there is nothing to show, `PaymentsUnavailable`.
    """
    checkout, order_id = await get_checkout(checkout_id, buyer_id=buyer_id, deps=deps)
    if checkout.status in PAYABLE:
        if checkout.payment_intent_id is not None:
            intent = await deps.payments.retrieve_intent(checkout.payment_intent_id)
            await follow_intent(intent, deps=deps)
        checkout, order_id = await get_checkout(checkout_id, buyer_id=buyer_id, deps=deps)
        if checkout.status is CheckoutStatus.OPEN:
            raise PaymentNotConfirmed("Stripe has not captured the money yet. Ask again in a moment.")
    # Also when the webhook was faster: its event may not have reached the cache yet.
    await deps.cache.drop_quietly(user_orders_tag(buyer_id))
    return checkout, order_id

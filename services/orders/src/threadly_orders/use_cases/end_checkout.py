"""End a checkout without a sale, by the clock or by its buyer."""

from uuid import UUID

from threadly_contracts.orders import CheckoutEnding

from ..dependencies import OrdersDeps
from ..domain.checkout import PAYABLE
from ..gateways.payments import IntentStatus
from ..storage import checkouts
from .follow_intent import follow_intent
from .release_item import release_item


async def end_checkout(checkout_id: UUID, ending: CheckoutEnding, *, deps: OrdersDeps) -> None:
    """Cancel the payment at Stripe first, then let the item go: no money can come in between.

    When Stripe says that it has succeeded after all, it is a success (E032); while the bank is at work
    nothing changes. A checkout that is over stays as it is. Raises `PaymentsUnavailable`.
    """
    async with deps.db.read() as session:
        checkout = await checkouts.find(session, checkout_id)
    if checkout is None or checkout.status not in PAYABLE:
        return
    cancelled = None
    if checkout.payment_intent_id is not None:
        intent = await deps.payments.cancel_intent(checkout.payment_intent_id)
        if intent.status is not IntentStatus.CANCELED:
            await follow_intent(intent, deps=deps)
            return
        cancelled = intent.id
    async with deps.db.transaction() as tx:
        current = await checkouts.lock(tx.session, checkout_id)
        if current is not None and current.status in PAYABLE:
            is_over = current.payment_intent_id == cancelled
            await release_item(tx, current, ending, now=deps.clock.now(), intent_is_over=is_over)

"""Refund what cannot become an order, once, and tell the buyer when it is done (E022, E026)."""

from datetime import datetime

from threadly_chassis.db import Transaction
from threadly_chassis.messaging import EffectContext
from threadly_chassis.observability.errors import capture
from threadly_contracts.orders import PaymentStatus, SaleRejected

from ..dependencies import OrdersDeps
from ..domain.errors import RefundFailed
from ..domain.messages import RefundOwed
from ..domain.provider import RefundStatus
from ..domain.settlement import REASONS, Rejection
from ..gateways.payments import Refund
from ..storage import checkouts, payments, sync
from ..storage.tables import Checkout, Payment

#: The bank sent the money back to us.
_BOUNCED = frozenset({RefundStatus.FAILED, RefundStatus.CANCELED})


async def give_money_back(event: RefundOwed, context: EffectContext[OrdersDeps]) -> None:
    """Refund a whole payment at Stripe; the key names the payment: a repeat finds the first refund."""
    key = f"{event.checkout_id}:refund:{event.payment_intent_id}"
    refund = await context.deps.payments.refund_intent(event.payment_intent_id, key=key)
    await follow_refund(event.payment_intent_id, refund, deps=context.deps)


async def follow_refund(
    intent_id: str, refund: Refund, *, deps: OrdersDeps, news: tuple[str, str] | None = None
) -> None:
    """Apply a refund's present state to its payment; one that failed is reported to operators."""
    async with deps.db.transaction() as tx:
        bounced = await _apply(tx, intent_id, refund, now=deps.clock.now())
        if news is not None:
            await sync.mark_processed(tx.session, *news)
    if bounced:
        capture(RefundFailed(f"{refund.id} of {intent_id} is {refund.status}"), kind="payment")


async def _apply(tx: Transaction, intent_id: str, refund: Refund, *, now: datetime) -> bool:
    """Record the refund; returns whether it is news that the money did not arrive."""
    seen = await payments.by_intent(tx.session, intent_id)
    if seen is None:
        return False
    checkout = await checkouts.lock(tx.session, seen.checkout_id)
    payment = await payments.lock_by_intent(tx.session, intent_id)
    if checkout is None or payment is None or not _concerns(payment, refund):
        return False
    is_known = (payment.stripe_refund_id, payment.refund_status) == (refund.id, refund.status)
    payment.stripe_refund_id = refund.id
    payment.refund_status = refund.status
    bounced = refund.status in _BOUNCED
    payment.status = PaymentStatus.COMPLETED if bounced else PaymentStatus.REFUNDED
    if not bounced and payment.refunded_at is None:
        payment.refunded_at = now
        await _tell(tx, checkout, payment, now)
    return bounced and not is_known


def _concerns(payment: Payment, refund: Refund) -> bool:
    """Only rejected payments are refunded here; old news of a bounced refund does not undo the next one."""
    if payment.rejection is None:
        return False
    return payment.stripe_refund_id in {None, refund.id} or payment.refund_status in _BOUNCED


async def _tell(tx: Transaction, checkout: Checkout, payment: Payment, now: datetime) -> None:
    if payment.rejection is None or payment.rejection is Rejection.SECOND_PAYMENT:
        return  # the sale itself stands
    checkout.version += 1
    rejected = SaleRejected(
        checkout_id=checkout.id,
        product_id=checkout.product_id,
        product_title=checkout.product_title,
        buyer_id=checkout.buyer_id,
        seller_id=checkout.seller_id,
        amount=payment.money,
        reason=REASONS[payment.rejection],
        rejected_at=now,
    )
    await tx.publish(rejected, version=checkout.version)

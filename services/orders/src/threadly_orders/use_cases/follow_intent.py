"""Do what a PaymentIntent's present state asks for, wherever the news of it came from.

Webhook, poll, the buyer's own question, expiry and cancellation all end here. Only the state counts, never
the event: duplicates, late news and news in the wrong order come to the same (E016, E017, E019, E020, E032).
"""

from datetime import datetime

from threadly_chassis.db import Transaction
from threadly_chassis.observability.errors import capture
from threadly_chassis.observability.logging import get_logger
from threadly_contracts.orders import CheckoutEnding, PaymentFailed

from ..dependencies import OrdersDeps
from ..domain.checkout import PAYABLE, CheckoutStatus
from ..domain.declines import in_human_words
from ..domain.errors import UnexpectedCapture
from ..domain.settlement import Rejection
from ..gateways.payments import Intent, IntentStatus
from ..storage import checkouts, sync
from ..storage.tables import Checkout
from .release_item import release_item
from .settle_payment import settle_payment

_log = get_logger(__name__)


async def follow_intent(intent: Intent, *, deps: OrdersDeps, news: tuple[str, str] | None = None) -> None:
    """Apply an intent's state; `news` (id, type) is the Stripe event that is processed by it (R-SYNC-02)."""
    async with deps.db.transaction() as tx:
        rejection = await _apply(tx, intent, now=deps.clock.now())
        if news is not None:
            await sync.mark_processed(tx.session, *news)
    if rejection in {Rejection.AMOUNT_MISMATCH, Rejection.SECOND_PAYMENT}:
        capture(UnexpectedCapture(f"{intent.id}: {rejection}; it is refunded"), kind="payment")


async def _apply(tx: Transaction, intent: Intent, *, now: datetime) -> Rejection | None:
    if intent.checkout_id is None:
        _log.info("payment intent is not ours", payment_intent=intent.id)
        return None
    if intent.status is IntentStatus.SUCCEEDED:
        return await settle_payment(tx, intent, intent.checkout_id, now=now)
    checkout = await checkouts.lock(tx.session, intent.checkout_id)
    if checkout is None or not _concerns(intent, checkout):
        return None
    if intent.status is IntentStatus.CANCELED:
        ending = CheckoutEnding.EXPIRED if now >= checkout.expires_at else CheckoutEnding.CANCELLED
        await release_item(tx, checkout, ending, now=now, intent_is_over=True)
    elif intent.status is IntentStatus.REQUIRES_PAYMENT_METHOD:
        await _note_failure(tx, checkout, intent, now)
    return None


def _concerns(intent: Intent, checkout: Checkout) -> bool:
    """Whether the intent's news can change the checkout: it may still be paid, and by this very intent."""
    return checkout.status in PAYABLE and checkout.payment_intent_id in {None, intent.id}


async def _note_failure(tx: Transaction, checkout: Checkout, intent: Intent, now: datetime) -> None:
    if intent.failure is None or intent.failure.attempt == checkout.failure_attempt:
        return
    checkout.status = CheckoutStatus.PAYMENT_FAILED
    checkout.payment_intent_id = intent.id
    checkout.failure_code = intent.failure.code
    checkout.failure_attempt = intent.failure.attempt
    checkout.version += 1
    failed = PaymentFailed(
        checkout_id=checkout.id,
        product_id=checkout.product_id,
        buyer_id=checkout.buyer_id,
        code=intent.failure.code,
        message=in_human_words(intent.failure.code),
        failed_at=now,
    )
    await tx.publish(failed, version=checkout.version)

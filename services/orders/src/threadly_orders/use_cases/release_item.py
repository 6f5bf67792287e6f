"""Let go of an item: the ending that every way of not buying shares."""

from datetime import datetime

from threadly_chassis.db import Transaction
from threadly_contracts.orders import CheckoutEnded, CheckoutEnding

from ..domain.checkout import ENDED_AS, CheckoutStatus
from ..domain.messages import IntentAbandoned
from ..storage.tables import Checkout


async def release_item(
    tx: Transaction,
    checkout: Checkout,
    ending: CheckoutEnding,
    *,
    now: datetime,
    status: CheckoutStatus | None = None,
    intent_is_over: bool = False,
) -> None:
    """End a payable checkout whose lock `tx` holds, as `status` or as its ending says.

    Unless its intent is known to be over, the worker is told to cancel it: a network call does not belong in
    a transaction.
    """
    checkout.status = status or ENDED_AS[ending]
    checkout.ending = ending
    checkout.ended_at = now
    checkout.version += 1
    ended = CheckoutEnded(
        checkout_id=checkout.id,
        product_id=checkout.product_id,
        buyer_id=checkout.buyer_id,
        reason=ending,
        ended_at=now,
    )
    await tx.publish(ended, version=checkout.version)
    if checkout.payment_intent_id is not None and not intent_is_over:
        abandoned = IntentAbandoned(payment_intent_id=checkout.payment_intent_id, checkout_id=checkout.id)
        await tx.publish(abandoned, version=1)

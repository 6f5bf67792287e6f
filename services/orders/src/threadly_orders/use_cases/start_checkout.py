"""Start a checkout: hold the item, then prepare the payment; never both in one transaction."""

from dataclasses import dataclass, field

from threadly_contracts.orders import CheckoutEnding

from ..dependencies import OrdersDeps
from ..domain.checkout import PAYABLE
from ..domain.errors import AmountNotChargeable
from ..domain.messages import IntentAbandoned
from ..gateways.payments import Intent, IntentRequest, PaymentRefused, PaymentsUnavailable
from ..storage import checkouts
from ..storage.tables import Checkout
from .release_item import release_item
from .reserve_item import StartCheckout, reserve_item


@dataclass(frozen=True, slots=True)
class Started:
    """A checkout and the secret that pays it; None once it can no longer be paid."""

    checkout: Checkout
    client_secret: str | None = field(repr=False)
    is_new: bool


async def start_checkout(wanted: StartCheckout, *, deps: OrdersDeps) -> Started:
    """Hold the item for the buyer and prepare the payment.

    A crash between the two is finished by the buyer's retry or by `sweep_checkouts` (E035). Raises what
    `reserve_item` and `prepare_payment` raise.
    """
    async with deps.db.transaction() as tx:
        checkout, is_new = await reserve_item(
            wanted, tx=tx, now=deps.clock.now(), lifetime=deps.settings.checkout_lifetime
        )
    if checkout.status not in PAYABLE:
        return Started(checkout, None, is_new)
    checkout, intent = await prepare_payment(checkout, deps=deps)
    secret = intent.client_secret if checkout.status in PAYABLE else None
    return Started(checkout, secret, is_new)


async def prepare_payment(checkout: Checkout, *, deps: OrdersDeps) -> tuple[Checkout, Intent]:
    """Make the checkout's PaymentIntent, or fetch the one it has; the secret is never stored.

    When there can be none the item is let go at once. Raises `PaymentsUnavailable` (E034) and
    `AmountNotChargeable`.
    """
    if checkout.payment_intent_id is not None:
        return checkout, await deps.payments.retrieve_intent(checkout.payment_intent_id)
    wanted = IntentRequest(
        checkout_id=checkout.id,
        product_id=checkout.product_id,
        buyer_id=checkout.buyer_id,
        price=checkout.price,
    )
    try:
        intent = await deps.payments.create_intent(wanted)
    except PaymentsUnavailable:
        await _let_go(checkout, deps)
        raise
    except PaymentRefused as error:
        await _let_go(checkout, deps)
        raise AmountNotChargeable(error.detail) from error
    return await _attach(checkout, intent, deps), intent


async def _attach(checkout: Checkout, intent: Intent, deps: OrdersDeps) -> Checkout:
    async with deps.db.transaction() as tx:
        current = await checkouts.lock(tx.session, checkout.id)
        if current is None:
            return checkout
        # A webhook may have been faster and brought the id already (E017).
        current.payment_intent_id = current.payment_intent_id or intent.id
        if current.status not in PAYABLE and current.ending is not None:
            # It ended while Stripe was being asked: nobody may pay this intent any more.
            abandoned = IntentAbandoned(payment_intent_id=intent.id, checkout_id=current.id)
            await tx.publish(abandoned, version=1)
        return current


async def _let_go(checkout: Checkout, deps: OrdersDeps) -> None:
    async with deps.db.transaction() as tx:
        current = await checkouts.lock(tx.session, checkout.id)
        # The same buyer's other tab may have had more luck with Stripe; then the checkout lives on.
        if current is None or current.status not in PAYABLE or current.payment_intent_id is not None:
            return
        await release_item(tx, current, CheckoutEnding.FAILED, now=deps.clock.now())
        await checkouts.forget_keys(tx.session, current.id)

"""Captured money becomes one order, or goes back in full: decided here, once, under the checkout's lock."""

from datetime import datetime
from uuid import UUID

from threadly_chassis.db import Transaction
from threadly_chassis.ids import new_id
from threadly_chassis.observability.logging import get_logger
from threadly_contracts.catalog import ProductStatus
from threadly_contracts.orders import CheckoutEnding, OrderConfirmed, OrderStatus, PaymentStatus

from ..domain.charges import charge_amount, charged_money
from ..domain.checkout import PAYABLE, CheckoutStatus
from ..domain.messages import RefundOwed
from ..domain.settlement import Capture, Rejection, rejection_of
from ..gateways.payments import Intent
from ..storage import checkouts, payments, products
from ..storage.tables import Checkout, Order, Payment, Product
from .release_item import release_item

_log = get_logger(__name__)


async def settle_payment(
    tx: Transaction, intent: Intent, checkout_id: UUID, *, now: datetime
) -> Rejection | None:
    """Settle a succeeded intent; returns why the money goes back, None when it is or was made an order.

    Locks the product, then the checkout: while both are held no other checkout of the item can begin, so a
    payment that comes after its checkout's end either finds the item free and takes it, or not (E022).
    """
    seen = await checkouts.find(tx.session, checkout_id)
    if seen is None:
        _log.error("captured payment of an unknown checkout", payment_intent=intent.id, checkout=checkout_id)
        return None
    product = await products.lock(tx.session, seen.product_id)
    checkout = await checkouts.lock(tx.session, checkout_id)
    if checkout is None or await payments.by_intent(tx.session, intent.id):
        return None
    capture = Capture(
        checkout=checkout.status,
        is_the_checkouts_intent=checkout.payment_intent_id in {None, intent.id},
        as_agreed=_as_agreed(intent, checkout),
        item_is_sellable=_offers(product, checkout)
        and await checkouts.live_on(tx.session, checkout.product_id) is None,
    )
    rejection = rejection_of(capture)
    if rejection is None:
        await _confirm(tx, checkout, intent, now)
    else:
        await _reject(tx, checkout, intent, rejection, now)
    tx.count(f"payment_{rejection or 'confirmed'}".lower())
    return rejection


def _as_agreed(intent: Intent, checkout: Checkout) -> bool:
    return (intent.amount_received, intent.currency) == (charge_amount(checkout.price), checkout.currency)


def _offers(product: Product | None, checkout: Checkout) -> bool:
    """Whether the copy still offers the item as it was agreed; RESERVED may be the echo of this checkout."""
    return (
        product is not None
        and product.status in {ProductStatus.AVAILABLE, ProductStatus.RESERVED}
        and product.price == checkout.price
    )


async def _confirm(tx: Transaction, checkout: Checkout, intent: Intent, now: datetime) -> None:
    order = Order(
        id=new_id(),
        version=1,
        status=OrderStatus.CONFIRMED,
        checkout_id=checkout.id,
        product_id=checkout.product_id,
        product_title=checkout.product_title,
        buyer_id=checkout.buyer_id,
        seller_id=checkout.seller_id,
        amount_minor=checkout.amount_minor,
        currency=checkout.currency,
        payment_intent_id=intent.id,
        confirmed_at=now,
    )
    tx.session.add_all([order, _payment(checkout, intent, now, order_id=order.id)])
    checkout.status = CheckoutStatus.COMPLETED
    checkout.payment_intent_id = intent.id
    checkout.ending = None
    checkout.ended_at = now
    await tx.session.flush()
    await tx.publish(_confirmed(order, checkout), version=order.version)


async def _reject(
    tx: Transaction, checkout: Checkout, intent: Intent, rejection: Rejection, now: datetime
) -> None:
    payment = _payment(checkout, intent, now, rejection=rejection)
    tx.session.add(payment)
    if rejection is not Rejection.SECOND_PAYMENT:
        checkout.payment_intent_id = intent.id
        if checkout.status in PAYABLE:
            rejected = CheckoutStatus.REJECTED
            await release_item(
                tx, checkout, CheckoutEnding.FAILED, now=now, status=rejected, intent_is_over=True
            )
        checkout.status = CheckoutStatus.REJECTED
    await tx.session.flush()
    owed = RefundOwed(payment_id=payment.id, checkout_id=checkout.id, payment_intent_id=intent.id)
    await tx.publish(owed, version=payment.version)


def _payment(
    checkout: Checkout,
    intent: Intent,
    now: datetime,
    *,
    order_id: UUID | None = None,
    rejection: Rejection | None = None,
) -> Payment:
    captured = charged_money(intent.amount_received, intent.currency)
    return Payment(
        id=new_id(),
        version=1,
        status=PaymentStatus.COMPLETED,
        checkout_id=checkout.id,
        order_id=order_id,
        rejection=rejection,
        payment_intent_id=intent.id,
        amount_minor=captured.amount_minor,
        currency=captured.currency,
        captured_at=now,
    )


def _confirmed(order: Order, checkout: Checkout) -> OrderConfirmed:
    return OrderConfirmed(
        order_id=order.id,
        checkout_id=checkout.id,
        product_id=order.product_id,
        product_title=order.product_title,
        buyer_id=order.buyer_id,
        seller_id=order.seller_id,
        amount=checkout.price,
        stripe_payment_intent_id=order.payment_intent_id,
        status=order.status,
        confirmed_at=order.confirmed_at,
    )

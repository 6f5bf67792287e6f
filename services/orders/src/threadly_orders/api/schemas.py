"""What this API takes and gives."""

from datetime import datetime
from decimal import Decimal
from typing import Self
from uuid import UUID

from threadly_chassis.http import MoneyView, RequestModel, ResponseModel
from threadly_contracts.orders import OrderStatus, PaymentStatus

from ..domain.checkout import CheckoutStatus, explain
from ..domain.declines import in_human_words
from ..storage.tables import Checkout
from ..use_cases.list_orders import Sale


class StartCheckoutBody(RequestModel):
    product_id: UUID
    expected_price: str | int | Decimal | None = None
    """What the buyer was shown, in the item's currency; another price is then a 409 `price_changed`."""


class CheckoutView(ResponseModel):
    id: UUID
    status: CheckoutStatus
    product_id: UUID
    product_title: str
    amount: MoneyView
    reason: str | None
    """Why the payment failed or the checkout is over, for the buyer to read."""
    order_id: UUID | None
    started_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, checkout: Checkout, order_id: UUID | None) -> Self:
        """Show a checkout to its buyer."""
        failure = in_human_words(checkout.failure_code) if checkout.failure_code else None
        return cls(
            id=checkout.id,
            status=checkout.status,
            product_id=checkout.product_id,
            product_title=checkout.product_title,
            amount=MoneyView.of(checkout.amount_minor, checkout.currency),
            reason=explain(checkout.status, checkout.ending, failure),
            order_id=order_id,
            started_at=checkout.started_at,
            expires_at=checkout.expires_at,
        )


class StartedCheckoutView(CheckoutView):
    """A checkout with what the buyer's page needs to pay it."""

    client_secret: str | None
    publishable_key: str


class PartyView(ResponseModel):
    id: UUID
    name: str


class ProductView(ResponseModel):
    id: UUID
    title: str


class PaymentView(ResponseModel):
    status: PaymentStatus
    amount: MoneyView
    captured_at: datetime


class OrderView(ResponseModel):
    id: UUID
    status: OrderStatus
    checkout_id: UUID
    product: ProductView
    buyer: PartyView
    seller: PartyView
    amount: MoneyView
    payment: PaymentView | None
    confirmed_at: datetime

    @classmethod
    def of(cls, sale: Sale) -> Self:
        """Show an order to its buyer or seller."""
        order, payment = sale.order, sale.payment
        return cls(
            id=order.id,
            status=order.status,
            checkout_id=order.checkout_id,
            product=ProductView(id=order.product_id, title=order.product_title),
            buyer=PartyView(id=order.buyer_id, name=sale.names.get(order.buyer_id, "")),
            seller=PartyView(id=order.seller_id, name=sale.names.get(order.seller_id, "")),
            amount=MoneyView.of(order.amount_minor, order.currency),
            payment=payment
            and PaymentView(
                status=payment.status,
                amount=MoneyView.of(payment.amount_minor, payment.currency),
                captured_at=payment.captured_at,
            ),
            confirmed_at=order.confirmed_at,
        )

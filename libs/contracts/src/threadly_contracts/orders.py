"""What orders says: who is buying what, and how the payment went."""

from enum import StrEnum
from uuid import UUID

from .event import Event
from .values import Money, UtcDatetime


class OrderStatus(StrEnum):
    """Where an order stands (flows CO-32: one list, decided here)."""

    CONFIRMED = "CONFIRMED"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"
    DISPUTED = "DISPUTED"
    REFUNDED = "REFUNDED"


class PaymentStatus(StrEnum):
    """Where a payment stands (flows CO-32)."""

    COMPLETED = "COMPLETED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"


class CheckoutEnding(StrEnum):
    """Why a checkout ended without a sale."""

    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    PRODUCT_GONE = "PRODUCT_GONE"


class CheckoutStarted(
    Event, type="threadly.orders.checkout_started.v1", aggregate="checkout", subject="checkout_id"
):
    """A buyer holds an item until `expires_at`."""

    checkout_id: UUID
    product_id: UUID
    product_version: int
    buyer_id: UUID
    seller_id: UUID
    amount: Money
    started_at: UtcDatetime
    expires_at: UtcDatetime


class CheckoutEnded(
    Event, type="threadly.orders.checkout_ended.v1", aggregate="checkout", subject="checkout_id"
):
    """A checkout is over and nothing was sold by it."""

    checkout_id: UUID
    product_id: UUID
    buyer_id: UUID
    reason: CheckoutEnding
    ended_at: UtcDatetime


class PaymentFailed(
    Event, type="threadly.orders.payment_failed.v1", aggregate="checkout", subject="checkout_id"
):
    """A payment was declined; the buyer may try again until the checkout expires (R-ORD-13)."""

    checkout_id: UUID
    product_id: UUID
    buyer_id: UUID
    code: str
    """Stripe's decline code, or its error code."""
    message: str
    """What the buyer is told."""
    failed_at: UtcDatetime


class OrderConfirmed(Event, type="threadly.orders.order_confirmed.v1", aggregate="order", subject="order_id"):
    """The item is paid and belongs to its buyer (R-ORD-05)."""

    order_id: UUID
    checkout_id: UUID
    product_id: UUID
    product_title: str
    buyer_id: UUID
    seller_id: UUID
    amount: Money
    stripe_payment_intent_id: str
    status: OrderStatus = OrderStatus.CONFIRMED
    confirmed_at: UtcDatetime


class SaleRejected(
    Event, type="threadly.orders.sale_rejected.v1", aggregate="checkout", subject="checkout_id"
):
    """A payment was taken but the item could not be sold; the money went back in full (E022)."""

    checkout_id: UUID
    product_id: UUID
    product_title: str
    buyer_id: UUID
    seller_id: UUID
    amount: Money
    reason: str
    rejected_at: UtcDatetime


EVENTS: tuple[type[Event], ...] = (
    CheckoutStarted,
    CheckoutEnded,
    PaymentFailed,
    OrderConfirmed,
    SaleRejected,
)

"""Every table of orders. Amounts are ISO 4217 minor units; times are UTC."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Enum, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from threadly_chassis.db import TYPES, new_metadata
from threadly_contracts import Money
from threadly_contracts.catalog import ProductStatus
from threadly_contracts.orders import CheckoutEnding, OrderStatus, PaymentStatus

from ..domain.checkout import CheckoutStatus
from ..domain.provider import RefundStatus
from ..domain.settlement import Rejection

_LIVE = text("status in ('OPEN', 'PAYMENT_FAILED', 'COMPLETED')")
_PAYABLE = text("status in ('OPEN', 'PAYMENT_FAILED')")
_NOT_GIVEN_BACK = text("status not in ('CANCELLED', 'REFUNDED')")


def _kind(of: type[StrEnum]) -> Enum:
    return Enum(
        of, native_enum=False, length=32, values_callable=lambda kinds: [kind.value for kind in kinds]
    )


class Base(DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = TYPES


class Product(Base):
    """The local copy of what may be bought, fed by catalog's events."""

    __tablename__ = "product"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    seller_id: Mapped[UUID]
    title: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    status: Mapped[ProductStatus] = mapped_column(_kind(ProductStatus))

    @property
    def price(self) -> Money:
        return Money(amount_minor=self.amount_minor, currency=self.currency)


class Person(Base):
    """How buyers and sellers are called, fed by auth's events."""

    __tablename__ = "person"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]


class Checkout(Base):
    """One buyer's hold on one item: the unique index on live ones decides who gets it (architecture §5)."""

    __tablename__ = "checkout"
    __table_args__ = (
        Index("uq_checkout_live_product", "product_id", unique=True, postgresql_where=_LIVE),
        Index("ix_checkout_payable", "expires_at", postgresql_where=_PAYABLE),
        UniqueConstraint("payment_intent_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    status: Mapped[CheckoutStatus] = mapped_column(_kind(CheckoutStatus))
    product_id: Mapped[UUID]
    product_version: Mapped[int]
    product_title: Mapped[str]
    buyer_id: Mapped[UUID]
    seller_id: Mapped[UUID]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    payment_intent_id: Mapped[str | None]
    failure_code: Mapped[str | None]
    failure_attempt: Mapped[str | None]
    """Tells one declined try from the next, so that each is announced once."""
    ending: Mapped[CheckoutEnding | None] = mapped_column(_kind(CheckoutEnding))
    started_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    @property
    def price(self) -> Money:
        return Money(amount_minor=self.amount_minor, currency=self.currency)


class CheckoutRequest(Base):
    """Which checkout a buyer's `Idempotency-Key` led to, and for what it was asked (E004, E005)."""

    __tablename__ = "checkout_request"

    buyer_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    checkout_id: Mapped[UUID | None]
    created_at: Mapped[datetime]


class Order(Base):
    """A sale (R-ORD-05)."""

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("checkout_id"),
        UniqueConstraint("payment_intent_id"),
        Index("uq_orders_sold_product", "product_id", unique=True, postgresql_where=_NOT_GIVEN_BACK),
        Index("ix_orders_buyer", "buyer_id", "id"),
        Index("ix_orders_seller", "seller_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    status: Mapped[OrderStatus] = mapped_column(_kind(OrderStatus))
    checkout_id: Mapped[UUID]
    product_id: Mapped[UUID]
    product_title: Mapped[str]
    buyer_id: Mapped[UUID]
    seller_id: Mapped[UUID]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    payment_intent_id: Mapped[str]
    confirmed_at: Mapped[datetime]


class Payment(Base):
    """Captured money (R-ORD-07). It has an order or a reason to go back: the database itself insists."""

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("payment_intent_id"),
        UniqueConstraint("order_id"),
        CheckConstraint("(order_id is null) <> (rejection is null)", name="order_or_rejection"),
        Index("ix_payment_checkout_id", "checkout_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    status: Mapped[PaymentStatus] = mapped_column(_kind(PaymentStatus))
    checkout_id: Mapped[UUID]
    order_id: Mapped[UUID | None]
    rejection: Mapped[Rejection | None] = mapped_column(_kind(Rejection))
    payment_intent_id: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    captured_at: Mapped[datetime]
    stripe_refund_id: Mapped[str | None]
    refund_status: Mapped[RefundStatus | None] = mapped_column(_kind(RefundStatus))
    refunded_at: Mapped[datetime | None]

    @property
    def money(self) -> Money:
        return Money(amount_minor=self.amount_minor, currency=self.currency)


class StripeEvent(Base):
    """Stripe's events as they came, once each; those without a row in `sync_event` are not processed yet."""

    __tablename__ = "stripe_event"
    __table_args__ = (Index("ix_stripe_event_received_at", "received_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    source: Mapped[str]
    """`webhook` or `poll`."""
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    received_at: Mapped[datetime]

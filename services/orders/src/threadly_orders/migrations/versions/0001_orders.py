"""Checkouts, orders, payments, Stripe's events, and the local copies of products and people."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_KIND = sa.String(32)


def _column(name: str, kind: TypeEngine[Any], *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=null)


def _copies() -> None:
    op.create_table(
        "product",
        _column("id", sa.Uuid()),
        _column("version", sa.BigInteger()),
        _column("seller_id", sa.Uuid()),
        _column("title", sa.Text()),
        _column("amount_minor", sa.BigInteger()),
        _column("currency", sa.Text()),
        _column("status", _KIND),
        sa.PrimaryKeyConstraint("id", name="pk_product"),
    )
    op.create_table(
        "person",
        _column("id", sa.Uuid()),
        _column("name", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
    )


def _checkouts() -> None:
    op.create_table(
        "checkout",
        _column("id", sa.Uuid()),
        _column("version", sa.BigInteger()),
        _column("status", _KIND),
        _column("product_id", sa.Uuid()),
        _column("product_version", sa.BigInteger()),
        _column("product_title", sa.Text()),
        _column("buyer_id", sa.Uuid()),
        _column("seller_id", sa.Uuid()),
        _column("amount_minor", sa.BigInteger()),
        _column("currency", sa.Text()),
        _column("payment_intent_id", sa.Text(), null=True),
        _column("failure_code", sa.Text(), null=True),
        _column("failure_attempt", sa.Text(), null=True),
        _column("ending", _KIND, null=True),
        _column("started_at", _TIME),
        _column("expires_at", _TIME),
        _column("ended_at", _TIME, null=True),
        sa.PrimaryKeyConstraint("id", name="pk_checkout"),
        sa.UniqueConstraint("payment_intent_id", name="uq_checkout_payment_intent_id"),
    )
    op.create_index(
        "uq_checkout_live_product",
        "checkout",
        ["product_id"],
        unique=True,
        postgresql_where=sa.text("status in ('OPEN', 'PAYMENT_FAILED', 'COMPLETED')"),
    )
    op.create_index(
        "ix_checkout_payable",
        "checkout",
        ["expires_at"],
        postgresql_where=sa.text("status in ('OPEN', 'PAYMENT_FAILED')"),
    )
    op.create_table(
        "checkout_request",
        _column("buyer_id", sa.Uuid()),
        _column("key", sa.Text()),
        _column("request_hash", sa.LargeBinary()),
        _column("checkout_id", sa.Uuid(), null=True),
        _column("created_at", _TIME),
        sa.PrimaryKeyConstraint("buyer_id", "key", name="pk_checkout_request"),
    )


def _sales() -> None:
    op.create_table(
        "orders",
        _column("id", sa.Uuid()),
        _column("version", sa.BigInteger()),
        _column("status", _KIND),
        _column("checkout_id", sa.Uuid()),
        _column("product_id", sa.Uuid()),
        _column("product_title", sa.Text()),
        _column("buyer_id", sa.Uuid()),
        _column("seller_id", sa.Uuid()),
        _column("amount_minor", sa.BigInteger()),
        _column("currency", sa.Text()),
        _column("payment_intent_id", sa.Text()),
        _column("confirmed_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.UniqueConstraint("checkout_id", name="uq_orders_checkout_id"),
        sa.UniqueConstraint("payment_intent_id", name="uq_orders_payment_intent_id"),
    )
    op.create_index(
        "uq_orders_sold_product",
        "orders",
        ["product_id"],
        unique=True,
        postgresql_where=sa.text("status not in ('CANCELLED', 'REFUNDED')"),
    )
    op.create_index("ix_orders_buyer", "orders", ["buyer_id", "id"])
    op.create_index("ix_orders_seller", "orders", ["seller_id", "id"])


def _money() -> None:
    op.create_table(
        "payment",
        _column("id", sa.Uuid()),
        _column("version", sa.BigInteger()),
        _column("status", _KIND),
        _column("checkout_id", sa.Uuid()),
        _column("order_id", sa.Uuid(), null=True),
        _column("rejection", _KIND, null=True),
        _column("payment_intent_id", sa.Text()),
        _column("amount_minor", sa.BigInteger()),
        _column("currency", sa.Text()),
        _column("captured_at", _TIME),
        _column("stripe_refund_id", sa.Text(), null=True),
        _column("refund_status", _KIND, null=True),
        _column("refunded_at", _TIME, null=True),
        sa.PrimaryKeyConstraint("id", name="pk_payment"),
        sa.UniqueConstraint("payment_intent_id", name="uq_payment_payment_intent_id"),
        sa.UniqueConstraint("order_id", name="uq_payment_order_id"),
        sa.CheckConstraint(
            "(order_id is null) <> (rejection is null)", name=op.f("ck_payment_order_or_rejection")
        ),
    )
    op.create_index("ix_payment_checkout_id", "payment", ["checkout_id"])
    op.create_table(
        "stripe_event",
        _column("id", sa.Text()),
        _column("type", sa.Text()),
        _column("source", sa.Text()),
        _column("body", sa.LargeBinary()),
        _column("created_at", _TIME),
        _column("received_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_stripe_event"),
    )
    op.create_index("ix_stripe_event_received_at", "stripe_event", ["received_at"])


def upgrade() -> None:
    _copies()
    _checkouts()
    _sales()
    _money()


def downgrade() -> None:
    for table in ("stripe_event", "payment", "orders", "checkout_request", "checkout", "person", "product"):
        op.drop_table(table)

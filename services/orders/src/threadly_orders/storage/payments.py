"""Captured money."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select

from threadly_chassis.db import ReadSession, WriteSession

from ..domain.provider import RefundStatus
from .tables import Payment

#: A refund in one of these did not bring the money back.
_NOT_GIVEN = (RefundStatus.FAILED, RefundStatus.CANCELED)


async def by_intent(session: ReadSession, intent_id: str) -> Payment | None:
    """The payment that an intent captured."""
    return (
        await session.scalars(select(Payment).where(Payment.payment_intent_id == intent_id))
    ).one_or_none()


async def lock_by_intent(session: WriteSession, intent_id: str) -> Payment | None:
    """Lock the payment that an intent captured; its checkout's lock comes before it."""
    query = select(Payment).where(Payment.payment_intent_id == intent_id).with_for_update()
    return (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()


async def by_orders(session: ReadSession, order_ids: Sequence[UUID]) -> dict[UUID, Payment]:
    """The payments of so many orders, in one query."""
    rows = await session.scalars(select(Payment).where(Payment.order_id.in_(order_ids)))
    return {payment.order_id: payment for payment in rows if payment.order_id}


async def without_counterpart(session: ReadSession, before: datetime) -> Sequence[Payment]:
    """Payments captured before a moment that have neither an order nor their refund."""
    query = select(Payment).where(
        Payment.captured_at < before,
        Payment.order_id.is_(None),
        or_(Payment.refunded_at.is_(None), Payment.refund_status.in_(_NOT_GIVEN)),
    )
    return (await session.scalars(query.order_by(Payment.captured_at).limit(100))).all()

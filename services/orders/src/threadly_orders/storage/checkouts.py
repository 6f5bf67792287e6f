"""Checkouts: who holds which item."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.db import ReadSession, WriteSession
from threadly_chassis.http.idempotency import IdempotencyKeyReused

from ..domain.checkout import LIVE, PAYABLE
from .tables import Checkout, CheckoutRequest


async def find(session: ReadSession, checkout_id: UUID) -> Checkout | None:
    """Look at a checkout as it is now."""
    return await session.get(Checkout, checkout_id, populate_existing=True)


async def lock(session: WriteSession, checkout_id: UUID) -> Checkout | None:
    """Take a checkout's row lock; whoever wants the product's too takes that one first."""
    return await session.get(Checkout, checkout_id, populate_existing=True, with_for_update=True)


async def live_on(session: ReadSession, product_id: UUID) -> Checkout | None:
    """The checkout that has an item to itself."""
    query = select(Checkout).where(Checkout.product_id == product_id, Checkout.status.in_(LIVE))
    return (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()


async def lock_payable_on(session: WriteSession, product_id: UUID) -> Checkout | None:
    """Lock the checkout that still hopes to buy an item."""
    query = select(Checkout).where(Checkout.product_id == product_id, Checkout.status.in_(PAYABLE))
    return (
        await session.scalars(query.with_for_update().execution_options(populate_existing=True))
    ).one_or_none()


async def reserve(session: WriteSession, checkout: Checkout) -> bool:
    """Insert a checkout unless another one has the item; waits for a rival whose fate is open.

    This is the decision who gets an item: the partial unique index `uq_checkout_live_product` makes it.
    """
    values = {column.key: getattr(checkout, column.key) for column in Checkout.__table__.columns}
    statement = (
        insert(Checkout)
        .values(values)
        .on_conflict_do_nothing(
            index_elements=[Checkout.product_id],
            index_where=Checkout.__table__.c.status.in_(sorted(LIVE)),
        )
        .returning(Checkout.id)
    )
    return (await session.execute(statement)).first() is not None


async def overdue(session: ReadSession, now: datetime, *, limit: int) -> Sequence[UUID]:
    """Checkouts past their time that still hold an item, the oldest first."""
    query = (
        select(Checkout.id)
        .where(Checkout.status.in_(PAYABLE), Checkout.expires_at <= now)
        .order_by(Checkout.expires_at)
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def without_intent(session: ReadSession, before: datetime, *, limit: int) -> Sequence[Checkout]:
    """Checkouts started before a moment that have no PaymentIntent (E035), the oldest first."""
    query = (
        select(Checkout)
        .where(
            Checkout.status.in_(PAYABLE), Checkout.payment_intent_id.is_(None), Checkout.started_at < before
        )
        .order_by(Checkout.started_at)
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def claim_key(
    session: WriteSession, buyer_id: UUID, key: str, request_hash: bytes, now: datetime
) -> UUID | None:
    """Claim an `Idempotency-Key`, or return the checkout it led to before; waits for a twin under way.

    Raises `IdempotencyKeyReused` (E005).
    """
    claim = (
        insert(CheckoutRequest)
        .values(buyer_id=buyer_id, key=key, request_hash=request_hash, created_at=now)
        .on_conflict_do_nothing()
        .returning(CheckoutRequest.key)
    )
    if (await session.execute(claim)).first() is not None:
        return None
    query = select(CheckoutRequest).where(CheckoutRequest.buyer_id == buyer_id, CheckoutRequest.key == key)
    known = (await session.scalars(query)).one()
    if bytes(known.request_hash) != request_hash:
        raise IdempotencyKeyReused("Use a new key for a new request.")
    return known.checkout_id


async def keep_key(session: WriteSession, buyer_id: UUID, key: str, checkout_id: UUID) -> None:
    """Write down where a claimed key led."""
    where = (CheckoutRequest.buyer_id == buyer_id, CheckoutRequest.key == key)
    await session.execute(update(CheckoutRequest).where(*where).values(checkout_id=checkout_id))


async def forget_keys(session: WriteSession, checkout_id: UUID) -> None:
    """Let the keys of a checkout that never began start anew."""
    await session.execute(delete(CheckoutRequest).where(CheckoutRequest.checkout_id == checkout_id))

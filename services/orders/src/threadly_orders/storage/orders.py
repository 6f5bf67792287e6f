"""Orders, as their buyers and sellers see them."""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from sqlalchemy import or_, select

from threadly_chassis.db import ReadSession

from .tables import Order


class Role(StrEnum):
    """On which side of a sale somebody stands."""

    BUYER = "buyer"
    SELLER = "seller"


async def page(
    session: ReadSession, user_id: UUID, role: Role, *, before: UUID | None, limit: int
) -> Sequence[Order]:
    """A user's orders, newest first; ids are UUIDv7, so their order is that of time."""
    side = Order.buyer_id if role is Role.BUYER else Order.seller_id
    query = select(Order).where(side == user_id).order_by(Order.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Order.id < before)
    return (await session.scalars(query)).all()


async def of_user(session: ReadSession, order_id: UUID, user_id: UUID) -> Order | None:
    """An order, if the user is its buyer or its seller."""
    query = select(Order).where(
        Order.id == order_id, or_(Order.buyer_id == user_id, Order.seller_id == user_id)
    )
    return (await session.scalars(query)).one_or_none()


async def of_checkout(session: ReadSession, checkout_id: UUID) -> UUID | None:
    """The id of the order that a checkout became."""
    return await session.scalar(select(Order.id).where(Order.checkout_id == checkout_id))

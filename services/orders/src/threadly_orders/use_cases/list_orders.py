"""Look at one's purchases and sales."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from threadly_chassis.db import ReadSession

from ..dependencies import OrdersDeps
from ..domain.errors import OrderNotFound
from ..storage import orders, payments, people
from ..storage.orders import Role
from ..storage.tables import Order, Payment


@dataclass(frozen=True, slots=True)
class Sale:
    """An order with what is shown beside it."""

    order: Order
    payment: Payment | None
    names: dict[UUID, str]


async def list_orders(
    user_id: UUID, role: Role, *, before: UUID | None, limit: int, deps: OrdersDeps
) -> tuple[list[Sale], bool]:
    """Return one page, newest first, and whether there is more; three queries whatever its length."""
    async with deps.db.read() as session:
        rows = await orders.page(session, user_id, role, before=before, limit=limit + 1)
        return await _with_company(session, rows[:limit]), len(rows) > limit


async def get_order(order_id: UUID, *, user_id: UUID, deps: OrdersDeps) -> Sale:
    """Return an order to its buyer or seller; raises `OrderNotFound` to everybody else."""
    async with deps.db.read() as session:
        order = await orders.of_user(session, order_id, user_id)
        if order is None:
            raise OrderNotFound
        return (await _with_company(session, [order]))[0]


async def _with_company(session: ReadSession, rows: Sequence[Order]) -> list[Sale]:
    paid = await payments.by_orders(session, [order.id for order in rows])
    names = await people.names(session, {who for order in rows for who in (order.buyer_id, order.seller_id)})
    return [Sale(order, paid.get(order.id), names) for order in rows]

"""Orders: one's purchases and sales."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from threadly_chassis.cache import CACHE_TTL
from threadly_chassis.http import CurrentPrincipal, Cursors, Page, router

from ..dependencies import Deps
from ..storage.orders import Role
from ..use_cases.forget_orders import user_orders_tag
from ..use_cases.list_orders import get_order, list_orders
from .schemas import OrderView

orders = router("/v1/orders", tags=["orders"])

_MAX_PAGE = 100


@orders.get("")
async def show_all(
    principal: CurrentPrincipal,
    deps: Deps,
    role: Role = Role.BUYER,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=_MAX_PAGE)] = 20,
) -> Page[OrderView]:
    """List what the caller bought or sold, newest first."""
    cursors = Cursors(deps.settings.cursor_secret.get_secret_value(), f"orders {principal.user_id} {role}")
    before = UUID(cursors.decode(cursor, parts=1)[0]) if cursor else None

    async def load() -> dict[str, Any]:
        sales, has_more = await list_orders(principal.user_id, role, before=before, limit=limit, deps=deps)
        following = cursors.encode(sales[-1].order.id) if has_more else None
        page = Page[OrderView](data=[OrderView.of(sale) for sale in sales], next_cursor=following)
        return page.model_dump(mode="json")

    found = await deps.cache.get_or_load(
        f"orders:{principal.user_id}:{role}:{limit}:{before}",
        load,
        ttl=CACHE_TTL.SHORT,
        tags=(user_orders_tag(principal.user_id),),
    )
    return Page[OrderView].model_validate(found)


@orders.get("/{order_id}")
async def show(order_id: UUID, principal: CurrentPrincipal, deps: Deps) -> OrderView:
    """Show an order to its buyer or seller."""
    return OrderView.of(await get_order(order_id, user_id=principal.user_id, deps=deps))

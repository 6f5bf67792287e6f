"""Drop the cached order lists of those whom a sale concerns (R-ORD-09)."""

from contextlib import suppress
from uuid import UUID

from threadly_chassis.cache import Cache, CacheUnavailable
from threadly_chassis.messaging import EffectContext
from threadly_contracts.orders import OrderConfirmed

from ..dependencies import OrdersDeps


def user_orders_tag(user_id: UUID) -> str:
    """The tag of everything cached of a user's orders."""
    return f"orders:user:{user_id}"


async def invalidate_user_orders(cache: Cache, user_id: UUID) -> int:
    """Drop a user's order lists and confirm with their number; raises `CacheUnavailable`."""
    return await cache.invalidate_tags(user_orders_tag(user_id))


async def forget_orders(event: OrderConfirmed, context: EffectContext[OrdersDeps]) -> None:
    """Drop the buyer's and the seller's lists (flows CO-28)."""
    await invalidate_user_orders(context.deps.cache, event.buyer_id)
    await invalidate_user_orders(context.deps.cache, event.seller_id)


async def forget_own_orders(cache: Cache, user_id: UUID) -> None:
    """Drop the caller's lists before they are answered, so that they read what they just did."""
    with suppress(CacheUnavailable):
        await invalidate_user_orders(cache, user_id)

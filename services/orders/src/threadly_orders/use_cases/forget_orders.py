"""Drop the cached order lists of those whom a sale concerns (R-ORD-09)."""

from uuid import UUID

from threadly_chassis.messaging import EffectContext
from threadly_contracts.orders import OrderConfirmed

from ..dependencies import OrdersDeps


def user_orders_tag(user_id: UUID) -> str:
    """The tag of everything cached of a user's orders."""
    return f"orders:user:{user_id}"


async def forget_orders(event: OrderConfirmed, context: EffectContext[OrdersDeps]) -> None:
    """Drop the buyer's and the seller's lists (flows CO-28)."""
    await context.deps.cache.invalidate_tags(
        user_orders_tag(event.buyer_id), user_orders_tag(event.seller_id)
    )

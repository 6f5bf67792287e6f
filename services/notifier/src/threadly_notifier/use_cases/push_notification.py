"""Push a stored notice to its reader's devices."""

from threadly_chassis.messaging import EffectContext

from ..dependencies import NotifierDeps
from ..domain.messages import NotificationCreated
from ..gateways.realtime import user_channel
from ..storage.tables import NotificationRow


async def push_notification(event: NotificationCreated, context: EffectContext[NotifierDeps]) -> None:
    """Send `notification.new` (R-RT-09); a repeat is recognised by its id."""
    async with context.deps.db.read() as session:
        row = await session.get_one(NotificationRow, event.notification_id)
    await context.deps.realtime.trigger(
        [user_channel(row.user_id)],
        "notification.new",
        {
            "id": str(row.id),
            "userId": str(row.user_id),
            "title": row.title,
            "message": row.message,
            "type": row.type,
            "createdAt": row.created_at.isoformat().replace("+00:00", "Z"),
        },
    )

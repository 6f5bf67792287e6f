"""Put a notice into the inbox of everybody whom an event concerns."""

from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.ids import new_id
from threadly_chassis.messaging import Context
from threadly_contracts import Event

from ..dependencies import NotifierDeps
from ..domain.messages import NotificationCreated
from ..domain.notices import notices_for
from ..storage.tables import NotificationRow


async def tell_people(event: Event, context: Context[NotifierDeps]) -> None:
    """Store the notices of `event`, and ask for each to be pushed (R-ORD-11, R-RT-09)."""
    for notice in notices_for(event):
        notification_id = new_id()
        stored = await context.tx.session.execute(
            insert(NotificationRow)
            .values(
                id=notification_id,
                user_id=notice.user_id,
                event_id=context.event_id,
                type=notice.type,
                title=notice.title,
                message=notice.message,
                subject_id=notice.subject_id,
                created_at=context.deps.clock.now(),
            )
            .on_conflict_do_nothing()
            .returning(NotificationRow.id)
        )
        if stored.first():
            await context.tx.publish(NotificationCreated(notification_id=notification_id), version=1)

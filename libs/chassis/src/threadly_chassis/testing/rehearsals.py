"""Letters to rehearse, and what a service says of them without a broker between."""

from typing import Any
from uuid import UUID

from threadly_contracts import Event

from ..ids import new_id
from ..messaging import headers as h
from ..messaging.delivery import Delivery
from ..messaging.faults import FaultSwitch
from ..messaging.gathering import StoredMessage
from ..messaging.handling import HasDatabase
from ..messaging.incoming import Incoming
from ..messaging.rehearsal import Rehearsal, request
from ..messaging.rehearsing import REHEARSAL_DEADLINE, Rehearsing
from ..messaging.subscriptions import Subscriptions
from ..outbox.message import to_message
from .rows import row_of


def letter_of(
    event: Event, *, version: int = 1, event_id: UUID | None = None, **headers: Any
) -> StoredMessage:
    """An event as operations keeps it after its consumer gave it up; other headers by the names of `h`."""
    sent = to_message(row_of(event, version, event_id))
    described, message_id = sent.properties.headers or {}, sent.properties.message_id
    extra = {getattr(h, name): value for name, value in headers.items()}
    return StoredMessage(
        {"message_id": message_id, "message_type": event.type},
        {**described, h.ATTEMPT: 6, h.DEAD_REASON: "retries-exhausted", **extra},
        sent.body,
    )


def as_delivered(message: StoredMessage, consumer: str) -> Delivery:
    """A letter as the request for its rehearsal brings it."""
    asked = request(message, consumer=consumer, rehearsal_id=new_id(), patience=1)
    properties = asked.properties
    headers = dict(properties.headers or {})
    headers.pop(h.REHEARSE)
    return Delivery(
        Incoming(
            headers=headers,
            body=asked.body,
            delivery_tag=1,
            routing_key=asked.routing_key,
            message_id=properties.message_id,
            type=properties.message_type,
            app_id=None,
            content_type=None,
            correlation_id=properties.correlation_id,
            timestamp=None,
        )
    )


async def rehearsed(
    consumer: str,
    message: StoredMessage,
    deps: HasDatabase,
    subscriptions: Subscriptions,
    *,
    deadline: float = REHEARSAL_DEADLINE,
) -> Rehearsal:
    """What a consumer's worker says of a letter."""
    faults = FaultSwitch(deps.db.engine, enabled=True)
    rehearsing = Rehearsing(subscriptions, deps, faults, deadline)
    return await rehearsing.rehearse(consumer, as_delivered(message, consumer))

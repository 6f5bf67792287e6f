"""What consumers tell operations: how a replayed message ended."""

from uuid import UUID

from .event import Event
from .values import UtcDatetime


class DeadLetterResolved(
    Event, type="threadly.operations.dead_letter_resolved.v1", aggregate="dead_letter", subject="event_id"
):
    """A replayed message was applied by the consumer that had given it up.

    Published by that consumer, in the transaction that applied the message, so that "resolved" is what
    the consumer says and not what the replayer hopes.
    """

    event_id: UUID
    consumer: str
    replay_id: UUID
    resolved_at: UtcDatetime


class ConsumersDeclared(
    Event, type="threadly.operations.consumers_declared.v1", aggregate="service", subject="service"
):
    """A worker started and named its consumers, so that operations knows which dead letters to gather.

    Published by every worker at its start; its version is the start's Unix time in milliseconds.
    """

    service: str
    consumers: tuple[str, ...]
    release: str
    declared_at: UtcDatetime


EVENTS: tuple[type[Event], ...] = (ConsumersDeclared, DeadLetterResolved)

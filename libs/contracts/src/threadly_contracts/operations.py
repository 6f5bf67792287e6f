"""What operations and the workers tell each other: consumers, epochs, replays, rebuilds."""

from uuid import UUID

from .event import Event, Payload
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


class DeadLetterDiscarded(
    Event, type="threadly.operations.dead_letter_discarded.v1", aggregate="dead_letter", subject="event_id"
):
    """An operator gave a message up for good.

    A consumer whose strict stream waited for it goes on behind it; it means nothing to any other.
    """

    event_id: UUID
    consumer: str
    discarded_at: UtcDatetime


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


class EpochBegun(Event, type="threadly.operations.epoch_begun.v1", aggregate="service", subject="service"):
    """A service's database tells another history from now on: a standby was promoted, or a backup restored.

    What the service published after `since` it may not know any more; whoever applied it asks. The event's
    version is the epoch.
    """

    service: str
    epoch: int
    since: UtcDatetime
    begun_at: UtcDatetime


class RebuildRequested(
    Event, type="threadly.operations.rebuild_requested.v1", aggregate="rebuild", subject="rebuild_id"
):
    """An operator wants one reader refilled from its owners' history while live traffic goes on.

    `owners` limits it to some services; empty means all that own what the reader listens to. `rate` is
    events a second and owner. The reader gives up comparing `patience_seconds` after the last sign of life.
    """

    rebuild_id: UUID
    consumer: str
    owners: tuple[str, ...]
    rate: int
    patience_seconds: int
    requested_at: UtcDatetime


class RebuildAbandoned(
    Event, type="threadly.operations.rebuild_abandoned.v1", aggregate="rebuild", subject="rebuild_id"
):
    """An operator has called a rebuild off: owners stop sending, the reader stops waiting."""

    rebuild_id: UUID
    consumer: str
    abandoned_at: UtcDatetime


class RebuildRefused(
    Event, type="threadly.operations.rebuild_refused.v1", aggregate="rebuild", subject="rebuild_id"
):
    """The reader's service will not rebuild it; `reason` is for the operator to read."""

    rebuild_id: UUID
    consumer: str
    reason: str
    refused_at: UtcDatetime


class RebuildBegun(
    Event, type="threadly.operations.rebuild_begun.v1", aggregate="rebuild", subject="rebuild_id"
):
    """A reader is ready: each owner named is asked to send its events of these types to it."""

    rebuild_id: UUID
    consumer: str
    owners: tuple[str, ...]
    event_types: tuple[str, ...]
    rate: int
    begun_at: UtcDatetime


class RebuildProgressed(
    Event, type="threadly.operations.rebuild_progressed.v1", aggregate="rebuild", subject="rebuild_id"
):
    """How far an owner has come: events confirmed by the broker, of how many."""

    rebuild_id: UUID
    service: str
    sent: int
    total: int


class RebuildStreamed(
    Event, type="threadly.operations.rebuild_streamed.v1", aggregate="rebuild", subject="rebuild_id"
):
    """An owner has sent all: its aggregates, and the checksum over each one's newest version."""

    rebuild_id: UUID
    consumer: str
    service: str
    events: int
    aggregates: int
    checksum: str
    streamed_at: UtcDatetime


class RebuildShare(Payload):
    """One owner's part of a rebuild, as the reader compares it."""

    service: str
    expected_aggregates: int | None
    """What the owner says it has sent; None as long as it has said nothing."""
    expected_checksum: str | None
    applied_aggregates: int
    applied_checksum: str
    not_handled: int
    """Aggregates that were passed over because something newer had been applied before the rebuild."""
    unknown_to_owner: int
    """Aggregates that the reader has applied events of and that the owner did not send."""


class RebuildApplied(
    Event, type="threadly.operations.rebuild_applied.v1", aggregate="rebuild", subject="rebuild_id"
):
    """The reader's verdict: whether it has applied exactly what its owners say they have."""

    rebuild_id: UUID
    consumer: str
    is_equal: bool
    shares: tuple[RebuildShare, ...]
    applied_at: UtcDatetime


EVENTS: tuple[type[Event], ...] = (
    ConsumersDeclared,
    DeadLetterDiscarded,
    DeadLetterResolved,
    EpochBegun,
    RebuildRequested,
    RebuildAbandoned,
    RebuildRefused,
    RebuildBegun,
    RebuildProgressed,
    RebuildStreamed,
    RebuildApplied,
)

"""THE table of what operations listens to."""

from threadly_chassis.messaging import Consumer, Gate, Subscriptions
from threadly_contracts.operations import (
    ConsumersDeclared,
    DeadLetterResolved,
    RebuildApplied,
    RebuildBegun,
    RebuildProgressed,
    RebuildRefused,
)

from .use_cases.follow_rebuild import note_applied, note_begun, note_progress, note_refused
from .use_cases.note_consumers import note_consumers
from .use_cases.resolve_dead_letter import resolve_dead_letter

SUBSCRIPTIONS = Subscriptions(
    "operations",
    Consumer("operations.registry", gate=Gate.LATEST, handlers={ConsumersDeclared: note_consumers}),
    Consumer("operations.resolutions", handlers={DeadLetterResolved: resolve_dead_letter}),
    # No gate: several services speak of one rebuild, and what is kept of it only ever moves forward.
    Consumer(
        "operations.rebuilds",
        handlers={
            RebuildBegun: note_begun,
            RebuildRefused: note_refused,
            RebuildProgressed: note_progress,
            RebuildApplied: note_applied,
        },
    ),
)

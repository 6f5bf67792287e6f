"""THE table of what operations listens to."""

from threadly_chassis.messaging import Consumer, Gate, Subscriptions
from threadly_contracts.operations import ConsumersDeclared, DeadLetterResolved

from .use_cases.note_consumers import note_consumers
from .use_cases.resolve_dead_letter import resolve_dead_letter

SUBSCRIPTIONS = Subscriptions(
    "operations",
    Consumer("operations.registry", gate=Gate.LATEST, handlers={ConsumersDeclared: note_consumers}),
    Consumer("operations.resolutions", handlers={DeadLetterResolved: resolve_dead_letter}),
)

"""Call a rebuild off: an owner is away for good, or it was a mistake."""

from uuid import UUID

from threadly_chassis.clock import Clock
from threadly_chassis.db import Transaction
from threadly_chassis.errors import NotFound
from threadly_contracts.operations import RebuildAbandoned

from ..domain.rebuild import RebuildStatus
from ..storage import rebuilds


async def abandon_rebuild(tx: Transaction, consumer: str, *, clock: Clock, actor: str) -> UUID:
    """Abandon the rebuild of a reader that is under way; returns its id.

    What was applied stays applied. Raises `NotFound` when none is under way.
    """
    running = await rebuilds.under_way(tx.session, consumer)
    if running is None:
        raise NotFound(f"No rebuild of {consumer} is under way.")
    running.status, running.abandoned_by = RebuildStatus.ABANDONED, actor
    running.ended_at = clock.now()
    abandoned = RebuildAbandoned(rebuild_id=running.id, consumer=consumer, abandoned_at=running.ended_at)
    await tx.publish(abandoned, version=2)
    return running.id

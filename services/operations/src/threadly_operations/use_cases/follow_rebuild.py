"""Believe what readers and owners say of a rebuild."""

from threadly_chassis.messaging import Context
from threadly_contracts.operations import RebuildApplied, RebuildBegun, RebuildProgressed, RebuildRefused

from ..dependencies import OperationsDeps
from ..domain.rebuild import RebuildStatus, compared
from ..storage import rebuilds

OpsContext = Context[OperationsDeps]


async def note_begun(event: RebuildBegun, context: OpsContext) -> None:
    """The reader is ready, and says from whom it is to hear."""
    await rebuilds.move(context.tx.session, event.rebuild_id, RebuildStatus.RUNNING)
    await rebuilds.expect_parts(context.tx.session, event.rebuild_id, event.owners)


async def note_refused(event: RebuildRefused, context: OpsContext) -> None:
    """It will not be rebuilt."""
    await rebuilds.move(
        context.tx.session,
        event.rebuild_id,
        RebuildStatus.REFUSED,
        ended_at=event.refused_at,
        reason=event.reason,
    )


async def note_progress(event: RebuildProgressed, context: OpsContext) -> None:
    """An owner has sent more."""
    await rebuilds.note_part(
        context.tx.session, event.rebuild_id, event.service, sent=event.sent, total=event.total
    )


async def note_applied(event: RebuildApplied, context: OpsContext) -> None:
    """The reader has compared."""
    session = context.tx.session
    status = RebuildStatus.EQUAL if event.is_equal else RebuildStatus.DIFFERENT
    await rebuilds.move(session, event.rebuild_id, status, ended_at=event.applied_at)
    for share in event.shares:
        await rebuilds.note_part(session, event.rebuild_id, share.service, verdict=compared(share))

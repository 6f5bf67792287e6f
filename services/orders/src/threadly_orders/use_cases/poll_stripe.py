"""Ask Stripe for the events that its webhooks may have failed to bring (R-SYNC-03, E023)."""

from contextlib import aclosing

from threadly_chassis.observability.logging import get_logger

from ..dependencies import OrdersDeps
from ..storage import sync
from .receive_stripe_event import receive_stripe_event

_log = get_logger(__name__)


async def poll_stripe(deps: OrdersDeps) -> None:
    """Feed everything since the watermark to the webhooks' inbox, then move the watermark.

    The watermark is the newest event's `created`, by Stripe's clock: never later than the fetch's start, and
    ours may differ from Stripe's. Raises `PaymentsUnavailable`; the watermark then stays.
    """
    async with deps.db.read() as session:
        last = await sync.watermark(session)
    since = last - deps.settings.stripe_poll_overlap if last else None
    newest, missed = last, 0
    async with aclosing(deps.payments.events_since(since)) as events:
        async for event in events:
            newest = max(newest, event.created) if newest else event.created
            async with deps.db.transaction() as tx:
                missed += await receive_stripe_event(event, source="poll", tx=tx, now=deps.clock.now())
    if newest is not None:
        async with deps.db.transaction() as tx:
            await sync.advance(tx.session, newest)
    if missed:
        _log.warning("stripe events that no webhook had brought", count=missed)

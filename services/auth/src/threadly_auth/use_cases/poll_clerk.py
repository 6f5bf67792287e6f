"""Ask Clerk for what its webhooks may have failed to bring (R-SYNC-03)."""

from contextlib import aclosing
from datetime import timedelta

from threadly_chassis.observability.logging import get_logger

from ..dependencies import AuthDeps
from ..storage import sync
from .receive_clerk_news import receive_profile

_log = get_logger(__name__)

#: Looked at again each time: a change that was under way when we last asked, or clocks that differ.
OVERLAP = timedelta(minutes=5)


async def poll_clerk(deps: AuthDeps) -> None:
    """Take in every user that changed since the watermark, then move it to when this run began.

    Deletions are invisible here; only webhooks bring them. Raises `ClerkAway`; the watermark then stays, and
    the next run asks again.
    """
    started = deps.clock.now()
    async with deps.db.read() as session:
        last = await sync.watermark(session)
    news = 0
    async with aclosing(deps.directory.newest_first()) as profiles:
        async for profile in profiles:
            if last is not None and profile.updated_at < last - OVERLAP:
                break
            async with deps.db.transaction() as tx:
                news += await receive_profile(profile, tx=tx)
    async with deps.db.transaction() as tx:
        await sync.advance(tx.session, started)
    _log.info("clerk polled", news=news)

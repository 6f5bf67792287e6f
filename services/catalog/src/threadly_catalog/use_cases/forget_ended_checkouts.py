"""Forgets checkouts that ended long ago."""

from ..dependencies import CatalogDeps
from ..storage.checkouts import forget_ended


async def forget_ended_checkouts(deps: CatalogDeps) -> None:
    """Drop what is past its keeping: a start that comes so late is past its own end and reserves nothing."""
    async with deps.db.transaction() as tx:
        await forget_ended(tx.session, deps.clock.now() - deps.settings.ended_checkouts_kept)

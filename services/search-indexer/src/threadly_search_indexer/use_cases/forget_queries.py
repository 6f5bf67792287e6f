"""Searches nobody has clicked in for a month are forgotten."""

from datetime import timedelta

from ..dependencies import SearchDeps
from ..storage.queries import forget_clicked_before

_AGE = timedelta(days=30)
_BATCH = 1000


async def forget_queries(deps: SearchDeps) -> None:
    """Delete them in short transactions."""
    gone = _BATCH
    while gone == _BATCH:
        async with deps.db.transaction() as tx:
            gone = await forget_clicked_before(tx.session, _AGE, _BATCH)

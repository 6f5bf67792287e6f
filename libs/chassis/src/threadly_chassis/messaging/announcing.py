"""Telling operations which consumers, and so which dead letters, a service has.

Said again and again, because nobody may have heard it: an event that no queue is bound for ends, confirmed,
in `t.unrouted`, which is how a service's first word ends when operations starts later.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from threadly_contracts.operations import ConsumersDeclared

from ..db import Database
from ..observability.logging import get_logger

#: Seconds between the first words: operations may be starting at this moment.
SOON = (15.0, 60.0)
#: Seconds between all later ones: operations may have been restored, or installed on another broker.
LATER = 300.0

_log = get_logger(__name__)


class Announcer:
    """Publishes `ConsumersDeclared` for one worker, each time with a later version."""

    def __init__(
        self,
        db: Database,
        service: str,
        consumers: Sequence[str],
        release: str,
        *,
        soon: Sequence[float] = SOON,
        later: float = LATER,
    ) -> None:
        self._db = db
        self._service = service
        self._consumers = tuple(consumers)
        self._release = release
        self._soon = soon
        self._later = later

    async def run(self) -> None:
        """Announce at once and again, until cancelled; a database that is away is waited for."""
        pauses = iter(self._soon)
        while True:
            try:
                await self.announce()
            except Exception as error:  # noqa: BLE001 - the worker outlives a database that is away
                _log.warning("consumers not announced", error=repr(error))
            await asyncio.sleep(next(pauses, self._later))

    async def announce(self) -> None:
        """Say it once."""
        now = datetime.now(UTC)
        declared = ConsumersDeclared(
            service=self._service, consumers=self._consumers, release=self._release, declared_at=now
        )
        async with self._db.transaction() as tx:
            await tx.publish(declared, version=int(now.timestamp() * 1000))

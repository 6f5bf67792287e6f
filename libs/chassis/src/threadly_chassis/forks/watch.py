"""The worker's part in forks: it tells that an epoch began, and asks until everything is settled."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from threadly_contracts.operations import EpochBegun

from ..db import Database
from ..messaging.connection import BROKER_ERRORS
from ..messaging.ladder import Ladder
from ..messaging.publisher import Publisher
from ..messaging.subscriptions import Subscriptions
from ..observability.errors import capture
from ..observability.logging import get_logger
from .catching_up import CatchUpWatch
from .claims import AT_ONCE, ClaimWatch
from .owner import ForkOwner
from .protocol import CatchUp, CaughtUp, Claims, ClaimsSettled

_EVERY = 1.0

_ANNOUNCE = text("""
update outbox_epoch set announced_at = clock_timestamp() where announced_at is null
returning epoch, since, raised_at
""")
_IS_TO_BE_DONE = text("""
select exists (select from outbox_epoch where announced_at is null) as is_unheard,
       exists (select from inbox_claim) as is_in_doubt,
       exists (select from inbox_catch_up where ended_at is null) as is_behind
""")

_log = get_logger(__name__)


class ForkWatch:
    """Begins and settles what forks ask for, for one service; any number of its workers may."""

    def __init__(
        self, table: Subscriptions, database: Database, publisher: Publisher, ladder: Ladder
    ) -> None:
        self._service = table.service
        self._database = database
        self._claims = ClaimWatch(table, database, publisher)
        self._catching_up = CatchUpWatch(table, database, publisher, ladder)
        self._owner = ForkOwner(database, publisher)
        self._was_in_doubt = True

    @property
    def takers(self) -> Mapping[str, Callable[[bytes], Awaitable[None]]]:
        """What is done with each kind of message from the service's `resend` queue."""
        return {
            Claims.kind: lambda body: self._owner.settle(Claims.model_validate_json(body)),
            ClaimsSettled.kind: lambda body: self._claims.take(ClaimsSettled.model_validate_json(body)),
            CatchUp.kind: lambda body: self._owner.send_page(CatchUp.model_validate_json(body)),
            CaughtUp.kind: lambda body: self._catching_up.take(CaughtUp.model_validate_json(body)),
        }

    async def run(self) -> None:
        """Look every second until cancelled; every failure is waited out."""
        while True:
            try:
                await self.look()
            except (DBAPIError, *BROKER_ERRORS) as error:
                _log.warning("forks not looked at", error=repr(error), seconds=_EVERY)
            except Exception as error:  # noqa: BLE001 - the boundary: one fork must not end the worker
                capture(error, kind="fork", service=self._service)
            await asyncio.sleep(_EVERY)

    async def look(self) -> None:
        """Do what is due."""
        async with self._database.read() as session:
            todo = (await session.execute(_IS_TO_BE_DONE)).one()
        if todo.is_unheard:
            await self._announce()
        if todo.is_unheard or todo.is_behind:
            await self._catching_up.ask()
        if todo.is_in_doubt:
            while await self._claims.ask() == AT_ONCE:
                pass
        if todo.is_in_doubt or self._was_in_doubt:
            await self._claims.count()
        self._was_in_doubt = todo.is_in_doubt

    async def _announce(self) -> None:
        async with self._database.transaction() as tx:
            row = (await tx.session.execute(_ANNOUNCE)).first()
            if row is None:
                return
            began = EpochBegun(
                service=self._service, epoch=row.epoch, since=row.since, begun_at=row.raised_at
            )
            await tx.publish(began, version=row.epoch)
            await self._catching_up.plan(tx.session, row.raised_at)
        _log.warning("epoch announced", epoch=row.epoch, since=row.since.isoformat())

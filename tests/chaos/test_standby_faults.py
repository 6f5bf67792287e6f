"""The database's primary is lost and its standby takes over (eventing §3.4.7)."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from threadly_chassis.db import Database
from threadly_chassis.testing.postgres import clone, ensure_template
from threadly_chassis.testing.proxy import TcpProxy
from threadly_chassis.testing.rabbit import RabbitManagement
from threadly_chassis.testing.specimen.cluster import Cluster, open_specimen
from threadly_chassis.testing.specimen.harness import LADDER, SPECIMEN
from threadly_chassis.testing.specimen.load import Load, patiently
from threadly_chassis.testing.specimen.service import write_note
from threadly_embedded.breakable import BreakablePostgres, breakable_postgres
from threadly_embedded.standby import BreakableStandby, breakable_standby

pytestmark = pytest.mark.integration

MakeLoad = Callable[[Cluster], Load]


@dataclass(frozen=True)
class Pair:
    """A primary, and a standby without which it answers no commit."""

    primary: BreakablePostgres
    standby: BreakableStandby
    line: TcpProxy
    """From the standby to its primary."""
    address: TcpProxy
    """Where everybody else looks for the database."""

    async def fail_over(self) -> None:
        """Lose the primary at once and for good; returns when the standby is at its address."""
        await self.primary.kill()
        await self.standby.promote()
        self.address.lead_to(self.standby.server.admin_url)

    async def waits(self, application: str) -> bool:
        """Whether a commit of this application waits for the standby."""
        waiting = "select count(*) from pg_stat_activity where wait_event = 'SyncRep' and application_name = "
        return await asyncio.to_thread(self.primary.server.sql, f"{waiting}'{application}'") != "0"


@pytest.fixture
async def pair(server_folder: Path) -> AsyncIterator[Pair]:
    one, other = server_folder / "one", server_folder / "other"
    one.mkdir()
    other.mkdir()
    async with AsyncExitStack() as stack:
        primary = await stack.enter_async_context(breakable_postgres(one))
        # Before there is a standby whose answers, by way of this loop, its commits would wait for.
        ensure_template(primary.server.admin_url, SPECIMEN)
        line = await stack.enter_async_context(TcpProxy.before(primary.server.admin_url))
        standby = await stack.enter_async_context(breakable_standby(other, primary.server, line.port))
        address = await stack.enter_async_context(TcpProxy.before(primary.server.admin_url))
        yield Pair(primary, standby, line, address)


@pytest.fixture
async def replicated(pair: Pair, vhost: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster whose database has a synchronous standby."""
    server = pair.primary.server.admin_url
    database = clone(server, ensure_template(server, SPECIMEN))
    await pair.standby.hold_commits()
    management = RabbitManagement(os.environ["THREADLY_TEST_AMQP_MANAGEMENT_URL"])
    async with open_specimen(pair.address.url(database), vhost, LADDER) as specimen:
        yield Cluster(specimen, tmp_path, management)


async def _write_last(cluster: Cluster) -> None:
    """Write a note under a name of its own to the server, so that its commit can be told from others."""
    last = Database.at(f"{cluster.specimen.database_url}?application_name=last")
    try:
        async with last.transaction() as tx:
            await write_note(tx, "unanswered")
    finally:
        await last.close()


async def test_f29_a_standby_is_promoted_under_load(replicated: Cluster, pair: Pair, load: MakeLoad) -> None:
    """F29, R-SYS-10: the primary dies while its standby lags; what was answered or sent is on the new one.

    What was committed on the old one alone had been answered to nobody and was seen by no relay.
    """
    cluster, writing = replicated, load(replicated)
    async with cluster.working(), writing.running():
        await writing.goes_on(40)
        pair.line.hold()
        unanswered = asyncio.create_task(_write_last(cluster))
        await patiently(lambda: pair.waits("last"), describe="a commit to wait for the standby")
        await pair.fail_over()
        with pytest.raises(SQLAlchemyError):
            await unanswered
        await writing.goes_on(40)
    async with cluster.working():
        history = await cluster.verify()
    appended = {fact.event_id: fact.aggregate for fact in history.appended}
    assert set(writing.answered) <= appended.keys()
    assert "unanswered" not in appended.values()

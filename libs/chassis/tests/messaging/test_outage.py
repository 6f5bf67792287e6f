"""When the database, the broker or a queue goes away: pause, come back, dead-letter nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from psycopg import sql

from threadly_chassis.ids import new_id
from threadly_chassis.messaging.publisher import Outgoing
from threadly_chassis.messaging.watchdog import Watchdog
from threadly_chassis.outbox.message import to_message
from threadly_chassis.outbox.store import OutboxRow
from threadly_chassis.tasks import end_tasks
from threadly_chassis.testing import eventually
from threadly_chassis.testing.rows import logged
from threadly_chassis.testing.specimen.harness import Specimen

pytestmark = pytest.mark.integration


@asynccontextmanager
async def _database_shut(specimen: Specimen) -> AsyncIterator[None]:
    """Refuse new connections to the service's database and cut the present ones."""
    server, _, name = specimen.database_url.rpartition("/")
    async with await psycopg.AsyncConnection.connect(f"{server}/postgres", autocommit=True) as admin:
        allow = sql.SQL("alter database {} allow_connections {}")
        await admin.execute(allow.format(sql.Identifier(name), sql.Literal(False)))
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,)
        )
        try:
            yield
        finally:
            await admin.execute(allow.format(sql.Identifier(name), sql.Literal(True)))


async def test_a_database_outage_pauses_and_dead_letters_nothing(specimen: Specimen) -> None:
    """R-SYS-10: messages keep arriving; all are applied once the database is back, none gives up."""
    await specimen.write(*(f"note-{number}" for number in range(5)))
    async with specimen.working():
        await eventually(lambda: _effects(specimen, 5), describe="the first effects")
        [event] = [row for row in await logged(specimen.db) if row.agg_id == "note-0"]
        async with _database_shut(specimen):
            for number in range(10):
                await specimen.publish(_again(event, number))
            await eventually(lambda: _all_in_hand(specimen), describe="the messages to be in hand")
            # Longer than the whole ladder and the three tries in the process would take.
            await _hold(1.5)
            assert await specimen.depth("specimen.every.dlq") == 0
            assert await specimen.depth("specimen.every.wait.200ms") == 0
        await eventually(lambda: _effects(specimen, 15), timeout=20, describe="all effects")
        await specimen.write("after")
        await eventually(lambda: _effects(specimen, 16), describe="the effect after the outage")
    assert await specimen.query("select distinct attempt from effect") == [(1,)]


def _again(event: OutboxRow, number: int) -> Outgoing:
    another = event._replace(event_id=str(new_id()), agg_id=f"outage-{number}")
    return to_message(another)._replace(exchange="", routing_key="specimen.every")


async def _hold(seconds: float) -> None:
    """Let the fault last: its length is what is being tested."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


async def _all_in_hand(specimen: Specimen) -> bool:
    return bool(await specimen.depth("specimen.every") == 0)


async def _effects(specimen: Specimen, count: int) -> bool:
    return len(await specimen.effects()) == count


async def test_a_lost_broker_connection_costs_nothing(specimen: Specimen) -> None:
    async with specimen.working() as worker:
        await specimen.write("a")
        await eventually(lambda: _effects(specimen, 1), describe="the first effect")
        for connection in (worker._consuming, worker._relaying):
            transport = await connection.transport()
            await transport.close()
        await specimen.write("a")
        await eventually(lambda: _effects(specimen, 2), timeout=15, describe="the second effect")


async def test_a_deleted_queue_is_consumed_again_once_it_is_back(specimen: Specimen) -> None:
    """F27: the broker cancels the consumer; the channel itself stays healthy."""
    async with specimen.working() as worker:
        [every] = [runner for runner in worker.consumers if runner.consumer.name == "specimen.every"]
        connection = await specimen.broker.get()
        async with connection.channel() as channel:
            await channel.queue_delete("specimen.every")
        await eventually(lambda: not every.is_consuming, describe="the consumer to notice")
        await worker._topology.apply(connection)
        await eventually(lambda: every.is_consuming, timeout=15, describe="the new subscription")
        await specimen.write("a")
        await eventually(lambda: _effects(specimen, 1), describe="the effect")


async def test_the_watchdog_renews_a_quiet_subscription_and_nobody_notices(specimen: Specimen) -> None:
    """F27: what a broker holds as delivered and never sent is in no depth; a new subscription gets it."""
    async with specimen.working() as worker:
        [every] = [runner for runner in worker.consumers if runner.consumer.name == "specimen.every"]
        first, idle = every.session, []
        watching = asyncio.create_task(
            Watchdog([every], worker._consuming, interval=0.05, stuck_seconds=0.2).run()
        )

        def renewed() -> bool:
            idle.append(not every.is_consuming)
            return every.session not in {None, first}

        await eventually(renewed, describe="another subscription")
        assert not any(idle)
        await specimen.write("a")
        await eventually(lambda: _effects(specimen, 1), describe="the effect")
        await end_tasks(watching)


async def test_the_watchdog_resubscribes_a_consumer_that_gets_nothing(specimen: Specimen) -> None:
    async with specimen.working() as worker:
        [every] = [runner for runner in worker.consumers if runner.consumer.name == "specimen.every"]
        session = every.session
        assert session
        # The broker forgets the consumer and does not say so: what a wedged channel looks like from here.
        session.channel.on_consumer_cancel_callbacks.clear()
        await session.channel.basic_cancel(session.consumer_tag)
        watching = asyncio.create_task(
            Watchdog([every], worker._consuming, interval=0.1, stuck_seconds=0.5).run()
        )
        await specimen.write("a")
        await eventually(lambda: _effects(specimen, 1), timeout=20, describe="the effect")
        assert every.session is not session
        await end_tasks(watching)

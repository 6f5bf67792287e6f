"""Operations learns of every consumer, whoever was started first."""

import asyncio
from typing import Any

import pytest

from threadly_chassis.messaging.announcing import Announcer
from threadly_chassis.tasks import end_tasks
from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.harness import Specimen
from threadly_contracts.operations import ConsumersDeclared

pytestmark = pytest.mark.integration


def _announcer(specimen: Specimen) -> Announcer:
    return Announcer(specimen.db, "specimen", ["specimen.every"], "dev", soon=(0.05,), later=0.2)


async def _first_of(specimen: Specimen, queue: str) -> Any:
    return await specimen.take(queue)


async def test_who_was_not_heard_says_it_again(specimen: Specimen) -> None:
    """Operations' queue is bound after the first word has ended, confirmed, in `t.unrouted`."""
    key = ConsumersDeclared.type.removeprefix("threadly.")
    connection = await specimen.broker.get()
    async with specimen.working(), connection.channel() as channel:
        announcing = asyncio.create_task(_announcer(specimen).run())
        [lost, *_] = await eventually(lambda: _first_of(specimen, "t.unrouted"), describe="an unheard word")
        assert lost.routing_key == key
        heard = await channel.declare_queue("heard", durable=True, arguments={"x-queue-type": "quorum"})
        await heard.bind("t.events", key)
        [told, *_] = await eventually(lambda: _first_of(specimen, "heard"), describe="the same word again")
        await end_tasks(announcing)
    assert ConsumersDeclared.model_validate_json(told.body).consumers == ("specimen.every",)
    assert told.headers["t-agg-version"] > lost.headers["t-agg-version"]


async def test_a_database_that_is_away_is_waited_for(
    specimen: Specimen, caplog: pytest.LogCaptureFixture
) -> None:
    await specimen.execute("alter table outbox_event rename to elsewhere")
    announcing = asyncio.create_task(_announcer(specimen).run())
    await eventually(lambda: "consumers not announced" in caplog.text, describe="a failed try")
    await specimen.execute("alter table elsewhere rename to outbox_event")
    await eventually(specimen.pending, describe="an announcement")
    await end_tasks(announcing)

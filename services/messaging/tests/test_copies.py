"""The copies of items and people, through RabbitMQ: once, twice, late and out of order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from threadly_chassis.db import Database
from threadly_chassis.http import Principal
from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.ladder import Ladder
from threadly_chassis.messaging.topology import Topology
from threadly_chassis.schedules import Schedules
from threadly_chassis.testing import eventually
from threadly_chassis.worker import Worker
from threadly_contracts.auth import UserUpdated
from threadly_contracts.catalog import ProductRemoved, ProductStatus, ProductUpdated
from threadly_messaging.dependencies import open_deps
from threadly_messaging.settings import MessagingSettings
from threadly_messaging.subscriptions import SUBSCRIPTIONS
from threadly_messaging.use_cases.keep_copies import keep_person, keep_product

pytestmark = pytest.mark.integration


@asynccontextmanager
async def _working(settings: MessagingSettings) -> AsyncIterator[Database]:
    deaths: list[BaseException] = []
    async with (
        open_deps(settings) as deps,
        Worker(settings, deps, SUBSCRIPTIONS, Schedules(), deaths.append),
    ):
        yield deps.db
    assert deaths == []


async def _rows(db: Database, statement: str) -> list[tuple[Any, ...]]:
    async with db.read() as session:
        return [tuple(row) for row in await session.execute(text(statement))]


async def test_an_item_and_a_person_are_copied_and_renewed(
    messaging: Any, make_product: Any, make_person: Any, seller: Principal
) -> None:
    """Twice the same event, then a newer one: the handlers' own writes are idempotent."""
    event = make_product(seller.user_id)
    for _ in range(2):
        await messaging.handle(keep_product, event)
        await messaging.handle(keep_person, make_person(seller))
    sold = ProductUpdated(
        **(event.model_dump() | {"status": ProductStatus.SOLD, "title": "Blue dress", "images": ()})
    )
    await messaging.handle(keep_product, sold)
    gone = UserUpdated(
        user_id=seller.user_id,
        email="",
        first_name=None,
        last_name=None,
        image_url=None,
        updated_at=event.updated_at,
    )
    await messaging.handle(keep_person, gone)

    (item,) = await messaging.query("select title, status, image_url, price_minor, currency from product")
    (person,) = await messaging.query("select name, image_url from person")
    assert tuple(item.values()) == ("Blue dress", "SOLD", None, 2550, "EUR")
    assert tuple(person.values()) == ("", None)


async def test_a_token_names_somebody_whose_event_is_late_and_the_event_has_the_last_word(
    messaging: Any, make_person: Any, buyer: Principal, seller: Principal
) -> None:
    """The identity token's name stands in until auth's event arrives, and never replaces it."""
    conversation = await messaging.begin(buyer, await messaging.offer(seller), "Hi")
    assert (await messaging.inbox(seller))[0]["other"]["name"] == "Ada"

    await messaging.know(buyer, first_name="Augusta")
    await messaging.say(buyer, conversation["id"], "Me again")

    assert (await messaging.inbox(seller))[0]["other"]["name"] == "Augusta"


async def test_through_the_broker_the_newest_version_stays(
    settings: MessagingSettings, vhost: str, make_product: Any, seller: Principal
) -> None:
    """Gate.LATEST: a redelivered and a reordered event are quiet successes; a removed item stays removed."""
    broker = settings.model_copy(update={"amqp_url": SecretStr(vhost), "retry_ladder": ("200ms", "400ms")})
    created = make_product(seller.user_id)
    fields = created.model_dump()
    removed = ProductRemoved(**(fields | {"status": ProductStatus.REMOVED, "version": 3}))
    late = ProductUpdated(**(fields | {"title": "Late", "version": 2}))
    connection = BrokerConnection(vhost, "test")
    await Topology([SUBSCRIPTIONS], Ladder(broker.retry_ladder)).apply(await connection.get())
    async with _working(broker) as db:
        async with db.transaction() as tx:
            for event, version in ((created, 1), (removed, 3), (removed, 3), (late, 2)):
                await tx.publish(event, version=version)
            marker = make_product(seller.user_id, product_id=created.product_id, title="Marker")
            await tx.publish(marker, version=4)

        async def applied() -> bool:
            # The last event of the same item: all others were settled before it, in order.
            return await _rows(db, "select title from product") == [("Marker",)]

        await eventually(applied, timeout=30, describe="the last event of the item")
        versions = await _rows(db, "select version from inbox_stream where consumer = 'messaging.products'")
        seen = await _rows(db, "select count(*) from inbox where consumer = 'messaging.products'")
    await connection.close()
    assert versions == [(4,)]
    assert seen == [(5,)]

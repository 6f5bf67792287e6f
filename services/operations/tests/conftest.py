"""Operations on real servers: its own database, an empty virtual host."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aio_pika
import httpx
import pytest
from aio_pika import DeliveryMode, ExchangeType, Message
from pamqp.common import FieldTable
from sqlalchemy import func, select
from typer.testing import CliRunner

from threadly_chassis.ids import new_id
from threadly_chassis.messaging import headers as h
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_chassis.testing.service import client_for, settings_for
from threadly_contracts import Event
from threadly_operations.cli import app as threadly
from threadly_operations.dependencies import OperationsDeps, open_deps
from threadly_operations.main import build_app
from threadly_operations.settings import OperationsSettings
from threadly_operations.storage.tables import ConsumerRow, DeadLetterRow

CONSUMER = "shelf.sorter"
Letter = dict[str, Any]
Bury = Callable[..., Awaitable[str]]


@pytest.fixture
def settings(service_database: DatabaseFactory, vhost: str, identity: TestIdentity) -> OperationsSettings:
    return settings_for(OperationsSettings, service_database("threadly_operations"), identity, amqp_url=vhost)


@pytest.fixture
async def deps(settings: OperationsSettings) -> AsyncIterator[OperationsDeps]:
    async with open_deps(settings) as deps:
        async with deps.db.transaction() as tx:
            tx.session.add(
                ConsumerRow(name=CONSUMER, service="shelf", release="1", declared_at=deps.clock.now())
            )
        yield deps


@pytest.fixture
async def queues(deps: OperationsDeps) -> AsyncIterator[dict[str, Any]]:
    """The consumer's queue and its dead letters, as its service would have declared them."""
    connection = await aio_pika.connect(deps.settings.amqp_url.get_secret_value())
    channel = await connection.channel()
    quorum: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": 1000}
    dead = await channel.declare_exchange("t.dlx", ExchangeType.DIRECT, durable=True)
    main = await channel.declare_queue(CONSUMER, durable=True, arguments=quorum)
    dlq = await channel.declare_queue(f"{CONSUMER}.dlq", durable=True, arguments=quorum)
    await dlq.bind(dead, dlq.name)
    yield {"main": main, "dlq": dlq, "dead": dead}
    await connection.close()


@pytest.fixture
def bury(queues: dict[str, Any]) -> Bury:
    """Put a message into the dead letters, as a consumer that gave up does; gives its event id."""

    async def give_up(
        event_id: str | None = None,
        *,
        failed_at: str = "2026-11-22T10:00:00+00:00",
        body: bytes = b'{"title": "Emma"}',
        **extra: Any,
    ) -> str:
        key = event_id or str(new_id())
        headers = {
            h.CE_ID: key,
            h.CE_TYPE: "threadly.shelf.book_added.v1",
            h.CE_SUBJECT: "book-1",
            h.AGGREGATE_TYPE: "book",
            h.AGGREGATE_VERSION: 3,
            h.ATTEMPT: 6,
            h.DEAD_REASON: "retries-exhausted",
            h.DEAD_EXCEPTION: "shelf.ShelfFull",
            h.DEAD_MESSAGE: "no room",
            h.DEAD_STACK: "Traceback …",
            h.DEAD_FINGERPRINT: "f1",
            h.DEAD_TRACE: "ab" * 16,
            h.LAST_FAILED_AT: failed_at,
            "x-death": [{"reason": "expired"}],
            **extra,
        }
        message = Message(body, headers=headers, message_id=key, delivery_mode=DeliveryMode.PERSISTENT)
        await queues["dead"].publish(message, f"{CONSUMER}.dlq")
        return key

    return give_up


@pytest.fixture
def bury_event(bury: Bury) -> Bury:
    """Put one of the contracts' events into the dead letters; gives its event id."""

    async def give_up(event: Event, event_id: str | None = None, **more: Any) -> str:
        about = {h.CE_TYPE: event.type, h.CE_SUBJECT: event.subject, h.AGGREGATE_TYPE: event.aggregate}
        body = more.pop("body", event.model_dump_json().encode())
        return await bury(event_id, body=body, **about, **more)

    return give_up


@pytest.fixture
def letters(deps: OperationsDeps) -> Callable[[], Awaitable[list[DeadLetterRow]]]:
    async def all_letters() -> list[DeadLetterRow]:
        async with deps.db.read() as session:
            return list(await session.scalars(select(DeadLetterRow).order_by(DeadLetterRow.id)))

    return all_letters


@pytest.fixture
def count(deps: OperationsDeps) -> Callable[[Any], Awaitable[int]]:
    async def rows(table: Any) -> int:
        async with deps.db.read() as session:
            return int(await session.scalar(select(func.count()).select_from(table)) or 0)

    return rows


@pytest.fixture
async def client(settings: OperationsSettings, identity: TestIdentity) -> AsyncIterator[httpx.AsyncClient]:
    """The API, called by an operator."""
    async with client_for(build_app(settings), identity.headers(somebody("Olga", "operator"))) as client:
        yield client


@pytest.fixture
def command(
    settings: OperationsSettings, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Awaitable[tuple[int, str]]]:
    """Run `threadly` with these words; gives its exit code and what it said."""
    monkeypatch.setenv("THREADLY_OPERATIONS_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("THREADLY_AMQP_URL", settings.amqp_url.get_secret_value())
    monkeypatch.setenv("THREADLY_REDIS_URL", "redis://unused")

    async def run(*words: str, given: str = "") -> tuple[int, str]:
        # In a thread: a command has an event loop of its own.
        result = await asyncio.to_thread(CliRunner().invoke, threadly, list(words), input=given)
        return result.exit_code, result.output

    return run

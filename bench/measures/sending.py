"""What its event adds to a transaction of Threadly's own: somebody sends a message.

The whole request is measured, as a client sees it: identity token, `Idempotency-Key`, nine statements, the
answer.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID, uuid4

import httpx
import psycopg

from threadly_chassis.http import Principal
from threadly_chassis.ids import new_id
from threadly_chassis.testing import eventually
from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_chassis.testing.postgres import clone, drop, ensure_template
from threadly_embedded.ports import LOOPBACK, free_ports

from ..messaging import SILENT
from ..place import Servers
from ..report import Verdict, beside
from ..rounds import Sample, take_turns
from ..running import started
from ..scale import Scale

WITH, WITHOUT = "with its event", "the same without"
#: Requests under way at once: a service's pool.
_CLIENTS = 8
#: One may send twenty messages a minute; so many send 600 a second between them.
_SENDERS = 2000
_PRODUCT = "insert into product values (%s, %s, 'Silk dress', 'AVAILABLE', null, 4900, 'EUR')"
_CONVERSATION = "insert into conversation values (%s, %s, %s, %s, 0, now(), now(), 1)"
_SIDES = (
    "insert into participant_state (conversation_id, user_id, last_read_sequence, last_message_at) "
    "select id, unnest(array[buyer_id, seller_id]), 0, last_message_at from conversation"
)


@dataclass(frozen=True)
class _Messaging:
    """A running messaging service, and who talks in it: each sender with the path of a conversation."""

    database_url: str
    http: httpx.AsyncClient
    identity: TestIdentity
    senders: list[tuple[Principal, str]]
    numbers: "count[int]" = field(default_factory=count)

    async def load(self, seconds: float, *, silent: bool) -> Sample:
        """Send messages for some seconds; the figure is messages a second."""
        before, began = await self._appended(), time.perf_counter()
        deadline = began + seconds
        counts = await asyncio.gather(*(self._client(deadline, silent=silent) for _ in range(_CLIENTS)))
        figure = sum(counts) / (time.perf_counter() - began)
        missing = (0 if silent else sum(counts)) - (await self._appended() - before)
        return Sample(figure, max(missing, 0), max(-missing, 0))

    async def _client(self, deadline: float, *, silent: bool) -> int:
        sent = 0
        while time.perf_counter() < deadline:
            await self._send(next(self.numbers), silent=silent)
            sent += 1
        return sent

    async def _send(self, number: int, *, silent: bool) -> None:
        sender, path = self.senders[number % len(self.senders)]
        headers = self.identity.headers(sender) | {"Idempotency-Key": str(new_id())}
        if silent:
            headers[SILENT] = "yes"
        body = {"content": f"Is the silk dress, number {number}, still to be had?"}
        (await self.http.post(path, json=body, headers=headers)).raise_for_status()

    async def _appended(self) -> int:
        async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
            row = await (await connection.execute("select count(*) from outbox_event")).fetchone()
        return int(row[0]) if row else 0


async def measure(servers: Servers, scale: Scale) -> list[Verdict]:
    """Messages a second through one process of messaging, with their event and without."""
    async with _messaging(servers) as messaging:
        for silent in (False, True):
            await messaging.load(scale.send_seconds, silent=silent)
        rounds = await take_turns(
            {
                WITH: lambda: messaging.load(scale.send_seconds, silent=False),
                WITHOUT: lambda: messaging.load(scale.send_seconds, silent=True),
            },
            scale.send_rounds,
        )
    return [
        beside(
            rounds,
            WITH,
            WITHOUT,
            measure="append: messages sent, each with its event",
            unit="messages/s",
            notes=f"whole requests to messaging, {_CLIENTS} at once; "
            f"{scale.send_rounds} rounds of {scale.send_seconds:g} s in turn",
        )
    ]


@asynccontextmanager
async def _messaging(servers: Servers) -> AsyncIterator[_Messaging]:
    identity, [port] = TestIdentity(), free_ports(1)
    database_url = clone(servers.postgres, ensure_template(servers.postgres, "threadly_messaging"))
    log = servers.folder / f"{uuid4().hex}.log"
    environment = os.environ | {
        "THREADLY_MODE": "production",
        "THREADLY_CURSOR_SECRET": uuid4().hex,
        "THREADLY_IDENTITY_PUBLIC_KEYS": identity.public_key,
        "THREADLY_MESSAGING_DATABASE_URL": database_url,
        "THREADLY_MESSAGING_HTTP_PORT": str(port),
        "THREADLY_MESSAGING_PUSHER_KEY": uuid4().hex,
        "THREADLY_MESSAGING_PUSHER_SECRET": uuid4().hex,
        "THREADLY_AMQP_URL": "amqp://unused",
        "THREADLY_REDIS_URL": servers.redis,
        "THREADLY_LOG_LEVEL": "WARNING",
    }
    senders = await _seed(database_url)
    process = started("bench.messaging", environment, log)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://{LOOPBACK}:{port}", trust_env=False, timeout=30
        ) as http:
            await eventually(lambda: _answers(http), timeout=60, describe="messaging to answer")
            yield _Messaging(database_url, http, identity, senders)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 60)
        drop(servers.postgres, database_url)


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/health/ready")).is_success
    except httpx.TransportError:
        return False


async def _seed(database_url: str) -> list[tuple[Principal, str]]:
    """Let everybody talk with one seller about one item."""
    seller, product = new_id(), new_id()
    talks: list[tuple[Principal, UUID]] = [(somebody(), new_id()) for _ in range(_SENDERS)]
    async with (
        await psycopg.AsyncConnection.connect(database_url) as connection,
        connection.cursor() as cursor,
    ):
        await cursor.execute(_PRODUCT, (product, seller))
        rows = [(conversation, sender.user_id, seller, product) for sender, conversation in talks]
        await cursor.executemany(_CONVERSATION, rows)
        await cursor.execute(_SIDES)
    return [(sender, f"/v1/conversations/{conversation}/messages") for sender, conversation in talks]

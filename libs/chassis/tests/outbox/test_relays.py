"""A worker's relays end when they are asked to, whatever their broker does meanwhile."""

import asyncio
from typing import Never

import pytest

from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.outbox.relays import Relays
from threadly_chassis.testing.specimen.harness import Specimen

pytestmark = pytest.mark.integration


class _RefusedWhenCancelled(BrokerConnection):
    """Answers a cancellation as aio-pika 10.2 does on Python 3.11 when a refusal comes at the same moment."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "relay")
        self.asked = asyncio.Event()

    async def transport(self) -> Never:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionRefusedError from None
        raise AssertionError


async def test_relays_end_though_the_cancellation_got_lost(specimen: Specimen) -> None:
    """2026-11-23: a worker ended together with its broker, and one of its relays started anew for ever."""
    connection = _RefusedWhenCancelled(specimen.settings.amqp_url.get_secret_value())
    running = asyncio.create_task(Relays(specimen.database_url, connection, 3).run())
    await connection.asked.wait()
    running.cancel()
    await asyncio.wait([running], timeout=20)
    assert running.cancelled()

"""A worker's relays: while one waits for the broker's confirms, the others are at the database."""

import asyncio

from ..messaging.connection import BrokerConnection
from ..messaging.publisher import Publisher
from ..tasks import end_tasks
from .append import SHARDS
from .relay import Relay


class Relays:
    """Relay tasks over one connection, each with a channel of its own and at most its part of the shards."""

    def __init__(self, database_url: str, connection: BrokerConnection, count: int) -> None:
        self._relays = [
            Relay(database_url, Publisher(connection), shards_at_once=SHARDS // count) for _ in range(count)
        ]

    @property
    def is_connected(self) -> bool:
        """Whether each has its database."""
        return all(relay.is_connected for relay in self._relays)

    def wake(self) -> None:
        """Look at once instead of at the next poll."""
        for relay in self._relays:
            relay.wake()

    async def run(self) -> None:
        """Relay until cancelled; every failure is waited out."""
        # Not a TaskGroup: it cancels once, and a relay in which that got lost kept a worker from ending.
        tasks = [asyncio.create_task(relay.run(), name="relay") for relay in self._relays]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            await end_tasks(*tasks)

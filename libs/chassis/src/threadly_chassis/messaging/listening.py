"""Listening to a queue of requests over `t.control`, over as many channels as it takes."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from ..observability.logging import get_logger
from ..tasks import only_own_cancellation, wait_until
from .connection import BROKER_ERRORS, CONNECT_TIMEOUT, BrokerConnection

_RECONNECT = (0.2, 5.0)

_log = get_logger(__name__)


class ControlListener(ABC):
    """Takes one request after the other, until it is told to drain."""

    #: Requests that a listener holds; the rest stays with the broker, for others.
    prefetch = 16
    #: After so long without a request the subscription is renewed: a broker does not always say that one has
    #: ended, nor sends what it counts as delivered (`watchdog`).
    quiet_seconds = 60.0

    def __init__(self, queue: str, connection: BrokerConnection) -> None:
        self._queue = queue
        self._connection = connection
        self._ending = asyncio.Event()

    @abstractmethod
    async def take(self, message: AbstractIncomingMessage) -> None:
        """Answer a request and acknowledge it, in whichever order; may raise one of `BROKER_ERRORS`."""

    def drain(self) -> None:
        """Take no more requests; `run` returns."""
        self._ending.set()

    async def run(self) -> None:
        """Listen, over as many channels as it takes."""
        shortest, longest = _RECONNECT
        wait = shortest
        while not self._ending.is_set():
            try:
                with only_own_cancellation():
                    await self._listen()
                wait = shortest
            except BROKER_ERRORS as error:
                _log.warning("no requests", queue=self._queue, error=repr(error), seconds=wait)
                await wait_until(self._ending, wait)
                wait = min(wait * 2, longest)

    async def _listen(self) -> None:
        """Take what is asked, until there is an end or it has been quiet for a while."""
        connection = await self._connection.get()
        requests: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        async with connection.channel() as channel:
            await channel.set_qos(prefetch_count=self.prefetch, timeout=CONNECT_TIMEOUT)
            queue = await channel.declare_queue(self._queue, passive=True, timeout=CONNECT_TIMEOUT)
            cancelled = asyncio.Event()
            underlay = await channel.get_underlay_channel()
            underlay.on_consumer_cancel_callbacks.add(lambda _: cancelled.set())
            await queue.consume(requests.put, timeout=CONNECT_TIMEOUT)
            ends = [
                asyncio.ensure_future(channel.closed()),
                asyncio.create_task(self._ending.wait()),
                asyncio.create_task(cancelled.wait()),
            ]
            try:
                while request := await self._next(requests, ends):
                    await self.take(request)
            finally:
                for end in ends:
                    end.cancel()
        if cancelled.is_set():
            raise ConnectionError("the broker ended the subscription")

    async def _next(
        self, requests: asyncio.Queue[AbstractIncomingMessage], ends: Sequence[asyncio.Future[Any]]
    ) -> AbstractIncomingMessage | None:
        """The next request; None at an end, or when none came. What is not taken stays the broker's."""
        taking = asyncio.create_task(requests.get())
        try:
            await asyncio.wait(
                [taking, *ends], timeout=self.quiet_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            is_end = not taking.done() or any(end.done() for end in ends)
            return None if is_end else taking.result()
        finally:
            taking.cancel()

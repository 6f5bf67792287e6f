"""Connections to the broker: plain ones, thrown away on the first error and built anew.

aio-pika's robust connection restores itself from inside; ours are rebuilt by whoever uses them, from what
is declared in code, because a half-restored consumer looks healthy and gets nothing.
"""

import asyncio
from urllib.parse import parse_qsl, urlsplit

import aio_pika
import aiormq
from aio_pika.abc import AbstractConnection
from aio_pika.connection import make_url
from aiormq.exceptions import AMQPError

from ..tasks import only_own_cancellation
from .unreadable import read_strangers_headers

#: What a broken connection or channel can raise: the answer to all of them is to build it anew.
BROKER_ERRORS = (
    AMQPError,
    ConnectionError,
    OSError,
    TimeoutError,
    aiormq.exceptions.ChannelInvalidStateError,
)

#: Seconds of silence that both sides agree on; `?heartbeat=` in the URL wins. The broker hangs up after two
#: of them, aiormq after 3 * (heartbeat + 1): a black hole is noticed within 21 s.
_HEARTBEAT = 6
CONNECT_TIMEOUT = 10.0


class BrokerConnection:
    """One connection for one purpose, opened when first needed and again after it was lost.

    Publish and consume on separate ones: a broker under a memory or disk alarm stops reading from
    connections that publish, their acks included.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._heartbeat = int(dict(parse_qsl(urlsplit(url).query)).get("heartbeat", _HEARTBEAT))
        self._lock = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        read_strangers_headers()

    @property
    def is_open(self) -> bool:
        """Whether the connection stands at this moment."""
        transport = self._connection.transport if self._connection else None
        return transport is not None and not transport.connection.is_closed

    async def get(self) -> AbstractConnection:
        """Return the connection, opening it if need be; raises one of `BROKER_ERRORS`."""
        async with self._lock:
            if self._connection is None or not self.is_open:
                await self._drop()
                self._connection = await self._open()
            return self._connection

    async def _open(self) -> AbstractConnection:
        connection = aio_pika.Connection(
            make_url(self._url, heartbeat=self._heartbeat),
            client_properties={"connection_name": self._name},
        )
        try:
            with only_own_cancellation():
                await connection.connect(timeout=CONNECT_TIMEOUT)
        except BaseException as error:
            # Else the collector closes it, in whatever thread it happens to run.
            await connection.close()
            if not isinstance(error, StopAsyncIteration):
                raise
            # How aiormq 7.2.4 says that the broker hung up in the middle of the handshake, as one does that
            # is going down. It ended workers, being no error of the broker's (F21).
            raise ConnectionError("the broker hung up during the handshake") from error
        return connection

    async def transport(self) -> aiormq.abc.AbstractConnection:
        """Return the AMQP connection underneath, for what aio-pika does not offer."""
        connection = await self.get()
        if connection.transport is None:
            raise ConnectionError("the connection was lost while it was opened")
        return connection.transport.connection

    async def close(self) -> None:
        """Close it; unconfirmed messages have an unknown fate and unacked ones come again."""
        async with self._lock:
            await self._drop()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                async with asyncio.timeout(2):
                    await connection.close()
            except BROKER_ERRORS:
                # It has let go of its socket by now; this only makes it know that it is closed.
                await connection.close()

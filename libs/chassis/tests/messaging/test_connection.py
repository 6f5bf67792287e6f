"""Whatever a broker does to who connects is an error that those who use the connection wait out."""

import asyncio
import gc
from typing import Any

import pamqp.frame
import pytest
from pamqp import commands as spec

from threadly_chassis.messaging.connection import BROKER_ERRORS, BrokerConnection
from threadly_chassis.testing import eventually

_START = pamqp.frame.marshal(
    spec.Connection.Start(server_properties={}, mechanisms="PLAIN", locales="en_US"), 0
)


async def _is_refused_by(said: bytes) -> None:
    """Connect to a server that says so much and hangs up."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.write_eof()
        await reader.read()
        writer.close()

    # What earlier tests have left is collected here, where there is a loop.
    gc.collect()
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connection = BrokerConnection(f"amqp://guest:guest@127.0.0.1:{port}/", "test")
        with pytest.raises(BROKER_ERRORS):
            await connection.get()
        assert not connection.is_open
        # In a thread without a loop a connection that was left open warns, and warnings are errors.
        await asyncio.to_thread(gc.collect)


@pytest.mark.parametrize(
    "said", [b"", _START, b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["nothing", "its first frame", "HTTP"]
)
async def test_a_broker_that_hangs_up_during_the_handshake(said: bytes) -> None:
    await _is_refused_by(said)


async def test_a_broker_that_hung_up_before_it_was_spoken_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """F21: what a worker meets that is slower than a broker which is going down; it ended by it."""
    connect = asyncio.open_connection

    async def slowly(*where: Any, **options: Any) -> Any:
        reader, writer = await connect(*where, **options)
        await eventually(reader.at_eof, describe="the end of what the broker says")
        return reader, writer

    monkeypatch.setattr(asyncio, "open_connection", slowly)
    await _is_refused_by(b"")

"""Whatever a broker does to who connects is an error that those who use the connection wait out."""

import asyncio

import pamqp.frame
import pytest
from pamqp import commands as spec

from threadly_chassis.messaging.connection import BROKER_ERRORS, BrokerConnection

_START = pamqp.frame.marshal(
    spec.Connection.Start(server_properties={}, mechanisms="PLAIN", locales="en_US"), 0
)


@pytest.mark.parametrize("said", [b"", _START, b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_broker_that_hangs_up_during_the_handshake(said: bytes) -> None:
    """F21: at once, after its first frame, or because it is none."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(said)
        writer.write_eof()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connection = BrokerConnection(f"amqp://guest:guest@127.0.0.1:{port}/", "test")
        with pytest.raises(BROKER_ERRORS):
            await connection.get()
        assert not connection.is_open

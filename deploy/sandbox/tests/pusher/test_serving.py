"""The provider's end, as a client on the wire sees it."""

import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from threadly_sandbox.journal import Journal
from threadly_sandbox.pusher.app import create_app
from threadly_sandbox.serving import served
from threadly_sandbox.settings import SandboxSettings


async def test_a_server_that_stops_tells_its_clients_to_come_back_at_once() -> None:
    """Code 4200, by Pusher's protocol "reconnect immediately"; uvicorn alone would say 1012."""
    app = create_app(SandboxSettings(), Journal())
    async with served(app, "127.0.0.1", 0) as address:
        client = await connect(f"{address.replace('http', 'ws')}/app/sandbox-key?protocol=7", proxy=None)
        assert json.loads(await client.recv())["event"] == "pusher:connection_established"
    with pytest.raises(ConnectionClosed):
        await client.recv()
    assert client.close_code == 4200

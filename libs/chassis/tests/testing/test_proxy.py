"""The proxy's faults, each seen by a client that talks to an echo behind it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from threadly_chassis.testing import eventually
from threadly_chassis.testing.proxy import TcpProxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, TcpProxy.before(f"amqp://127.0.0.1:{port}") as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: TcpProxy) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    yield reader, writer
    writer.close()


async def _say(client: Streams, what: bytes, patience: float = 5.0) -> bytes:
    client[1].write(what)
    return await asyncio.wait_for(client[0].readexactly(len(what)), patience)


def test_a_url_leads_through_the_proxy_with_all_else_kept() -> None:
    proxy = TcpProxy("127.0.0.1", 1)
    proxy.port = 9
    assert proxy.url("amqp://u:p%40@host:5672/v?heartbeat=1") == "amqp://u:p%40@127.0.0.1:9/v?heartbeat=1"
    assert proxy.url("postgresql://host:1/db") == "postgresql://127.0.0.1:9/db"
    with pytest.raises(ValueError, match="no host and port"):
        TcpProxy.before("amqp://host")


async def test_without_a_fault_everything_passes(client: Streams) -> None:
    assert await _say(client, b"x" * 300_000) == b"x" * 300_000


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_a_black_hole_tells_nobody_and_gives_back_what_it_took(
    proxy: TcpProxy, client: Streams, direction: str
) -> None:
    assert await _say(client, b"before") == b"before"
    getattr(proxy, direction).hold()
    with pytest.raises(TimeoutError):
        await _say(client, b"during", patience=0.2)
    assert not client[0].at_eof()
    proxy.heal()
    assert await asyncio.wait_for(client[0].readexactly(6), 5) == b"during"


async def test_a_black_hole_swallows_the_hang_up(proxy: TcpProxy, client: Streams) -> None:
    await _say(client, b"before")
    proxy.up.hold()
    client[1].close()
    with pytest.raises(AssertionError, match="the other side to notice"):
        await eventually(lambda: proxy.connections == 0, timeout=0.2, describe="the other side to notice")
    proxy.heal()
    await eventually(lambda: proxy.connections == 0, timeout=5, describe="the end")


async def test_a_delay_lasts_and_keeps_the_order(proxy: TcpProxy, client: Streams) -> None:
    proxy.up.delay = proxy.down.delay = 0.1
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert await _say(client, b"one") == b"one"
    assert 0.2 <= loop.time() - started < 2
    assert await _say(client, bytes(range(256)) * 100) == bytes(range(256)) * 100


async def test_a_slow_line_has_its_rate(proxy: TcpProxy, client: Streams) -> None:
    proxy.up.rate = 100_000
    loop = asyncio.get_running_loop()
    started = loop.time()
    await _say(client, b"x" * 50_000)
    assert 0.3 <= loop.time() - started < 3


async def test_a_cut_is_felt_at_once(proxy: TcpProxy, client: Streams) -> None:
    await _say(client, b"before")
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(client[0].readexactly(1), 5)


async def test_refused_and_accepted_again_on_the_same_port(proxy: TcpProxy, client: Streams) -> None:
    port = proxy.port
    await _say(client, b"before")
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    assert await _say(client, b"still") == b"still"
    await proxy.accept()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await _say((reader, writer), b"again") == b"again"
    writer.close()


async def test_who_comes_later_is_led_to_another_server(proxy: TcpProxy, client: Streams) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readexactly(5)).upper())
        writer.close()

    await _say(client, b"before")
    async with await asyncio.start_server(shout, "127.0.0.1", 0) as other:
        proxy.lead_to(f"postgresql://127.0.0.1:{other.sockets[0].getsockname()[1]}/db")
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"later")
        assert await asyncio.wait_for(reader.readexactly(5), 5) == b"LATER"
        writer.close()
    assert await _say(client, b"still") == b"still"

"""The door before the broker: open it passes bytes, shut it refuses, and whoever was inside is thrown out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from bench.gate import Gate
from bench.pacing import at_rate


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    guests: list[asyncio.Task[None] | None] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        guests.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(100):
                writer.write(data)
        await _leave(writer)

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    gate = Gate(f"amqp://user:word@127.0.0.1:{server.sockets[0].getsockname()[1]}/vhost")
    await gate.open()
    yield gate
    await gate.shut()
    server.close()
    await asyncio.gather(*filter(None, guests))


async def _leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def _enter(gate: Gate) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    port = int(gate.url.rpartition(":")[2].partition("/")[0])
    return await asyncio.open_connection("127.0.0.1", port)


async def test_open_it_passes_shut_it_refuses_and_cuts_off_and_open_again_it_passes(gate: Gate) -> None:
    assert gate.url.startswith("amqp://user:word@127.0.0.1:")
    assert gate.url.endswith("/vhost")
    reader, writer = await _enter(gate)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    await gate.shut()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    await _leave(writer)
    with pytest.raises(ConnectionRefusedError):
        await _enter(gate)
    await gate.open()
    reader, writer = await _enter(gate)
    writer.write(b"again")
    assert await reader.readexactly(5) == b"again"
    await _leave(writer)


async def test_a_slow_answer_does_not_hold_up_those_that_come_after_it() -> None:
    """Open loop: the first ends only when the last has begun."""
    last, begun = asyncio.Event(), list[int]()

    async def work(number: int) -> None:
        begun.append(number)
        if number == 9:
            last.set()
        await last.wait()

    async with asyncio.timeout(5):
        await at_rate(work, 10, 1000.0)
    assert begun == list(range(10))

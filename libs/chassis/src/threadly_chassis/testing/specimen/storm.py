"""Faults of every kind, in random order, over a running load: the long form of the chaos suite."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from ..proxy import Direction, TcpProxy
from .cluster import Cluster


class Killable(Protocol):
    """A server of the test's own."""

    async def kill(self) -> None:
        """End it without a chance to say goodbye."""
        ...

    async def start(self) -> None:
        """Start it again; returns when it serves."""
        ...


@dataclass
class Storm:
    """The faults, named by their id in eventing §5; each has healed when its function returns."""

    chance: random.Random
    cluster: Cluster
    broker: Killable
    postgres: Killable
    control: Callable[..., Awaitable[str]]
    """Runs rabbitmqctl."""
    proxy: TcpProxy
    say: Callable[[str], None]
    counts: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)

    async def rage(self, seconds: float) -> None:
        """One fault after the other, with some quiet in between."""
        faults = self._faults()
        deck: list[str] = []
        while time.monotonic() - self.started < seconds:
            # Dealt like cards, so that every fault has its turn before one comes twice.
            deck = deck or self.chance.sample(sorted(faults), len(faults))
            name = deck.pop()
            length = self.chance.uniform(0.5, 6.0)
            self._say(f"{name} for {length:.1f} s")
            self.counts[name.split()[0]] += 1
            await faults[name](length)
            await asyncio.sleep(self.chance.uniform(0, 4))

    def _faults(self) -> dict[str, Callable[[float], Awaitable[None]]]:
        return {
            "F11-F16 a worker killed": self._worker_killed,
            "F14 a worker told to stop": self._worker_stopped,
            "F21/F22 the broker killed, away": self._broker_away,
            "F23 the memory alarm": self._alarm,
            "F24 silence towards the broker": lambda seconds: self._held(self.proxy.up, seconds),
            "F24 silence from the broker": lambda seconds: self._held(self.proxy.down, seconds),
            "F25 a slow line": self._slow,
            "F28 a worker frozen": self._worker_frozen,
            "F29 the database killed, away": self._database_away,
            "F37 every handler fails": self._handlers_fail,
            "R-SYS-10 connections cut": self._cut,
        }

    def _say(self, what: str) -> None:
        self.say(f"{time.monotonic() - self.started:7.1f} s  {what}")

    def _some_worker(self) -> int:
        return self.chance.choice([process.pid for process in self.cluster.running if process.poll() is None])

    async def _worker_killed(self, _: float) -> None:
        os.kill(self._some_worker(), signal.SIGKILL)

    async def _worker_stopped(self, _: float) -> None:
        os.kill(self._some_worker(), signal.SIGTERM)

    async def _worker_frozen(self, seconds: float) -> None:
        pid = self._some_worker()
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)

    async def _broker_away(self, seconds: float) -> None:
        await self.broker.kill()
        await asyncio.sleep(seconds)
        await self.broker.start()

    async def _database_away(self, seconds: float) -> None:
        await self.postgres.kill()
        await asyncio.sleep(seconds)
        await self.postgres.start()

    async def _alarm(self, seconds: float) -> None:
        await self.control("set_vm_memory_high_watermark", "0")
        await asyncio.sleep(seconds)
        await self.control("set_vm_memory_high_watermark", "absolute", "1GB")

    async def _held(self, direction: Direction, seconds: float) -> None:
        direction.hold()
        await asyncio.sleep(seconds * 4)
        direction.release()

    async def _slow(self, seconds: float) -> None:
        for direction in (self.proxy.up, self.proxy.down):
            direction.rate, direction.delay = 50_000, 0.5
        await asyncio.sleep(seconds)
        self.proxy.heal()

    async def _cut(self, _: float) -> None:
        self.proxy.cut()

    async def _handlers_fail(self, seconds: float) -> None:
        execute = self.cluster.specimen.execute
        await execute(
            "insert into consumer_fault values ('specimen.every', 'the bank is closed', false, null)"
        )
        await asyncio.sleep(seconds)
        await execute("delete from consumer_fault")

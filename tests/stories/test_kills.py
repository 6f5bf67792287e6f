"""Killing any one process in the middle of the story changes nothing in its outcome (R-SYS-10)."""

import asyncio
import random

import pytest

from threadly_chassis.testing import eventually
from threadly_demo.cast import Cast
from threadly_demo.mishap import tell_mishap
from threadly_demo.narrator import Narrator
from threadly_demo.sale import tell_sale
from threadly_demo.world import World
from threadly_embedded.whole_system import RunningSystem

pytestmark = [pytest.mark.story, pytest.mark.timeout(600)]

#: Each process with a step in whose middle it is needed; the numbers are those that `make demo` prints.
VICTIMS = [
    ("auth", 2),
    ("auth-worker", 2),
    ("catalog", 2),
    ("catalog-worker", 6),
    ("search-indexer", 3),
    ("search-indexer-worker", 2),
    ("messaging", 4),
    ("messaging-worker", 2),
    ("orders", 8),
    ("orders-worker", 8),
    ("notifier", 10),
    ("notifier-worker", 8),
    ("operations", 14),
    ("operations-worker", 13),
]
_SEED = 20_261_122


@pytest.mark.parametrize(("victim", "step"), VICTIMS, ids=[f"{name}-at-{step}" for name, step in VICTIMS])
async def test_the_outcome_is_the_same(unhurt: RunningSystem, world: World, victim: str, step: int) -> None:
    """One order, one mail and one notice each, no step fails: the story itself checks it at its end."""
    pick = random.Random(f"{_SEED}{victim}")  # noqa: S311 - the same moment in every run
    murders: list[asyncio.Task[int]] = []

    async def before(number: int) -> None:
        if number == step:
            murders.append(asyncio.create_task(_kill_soon(unhurt, victim, pick.random() * 0.15)))

    async with Cast(world) as cast:
        tell = Narrator(before=before)
        sale = await tell_sale(cast, tell)
        if step > 11:
            await tell_mishap(cast, tell, sale)
    [killed] = [await murder for murder in murders]
    await eventually(unhurt.is_healthy, timeout=120, describe=f"{victim} to be back")
    assert unhurt.pid(victim) != killed


async def _kill_soon(system: RunningSystem, victim: str, seconds: float) -> int:
    due = asyncio.get_running_loop().time() + seconds
    await eventually(lambda: asyncio.get_running_loop().time() >= due, describe="the moment of the kill")
    return system.kill(victim)

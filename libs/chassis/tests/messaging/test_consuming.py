"""From a commit to its effects: relay, queues, consumers, in one process on real servers."""

from functools import partial

import pytest

from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.harness import Specimen

pytestmark = pytest.mark.integration


async def test_an_event_reaches_every_consumer_once(specimen: Specimen) -> None:
    """R-SYS-03."""
    async with specimen.working():
        await specimen.write("a", "b", "a")
        for consumer in ("specimen.every", "specimen.newest", "specimen.outside"):
            effects = await eventually(
                partial(_effects, specimen, consumer, 3), describe=f"three effects of {consumer}"
            )
            assert sorted(effects) == [("a", 1), ("a", 2), ("b", 1)]
    assert await specimen.pending() == 0


async def _effects(specimen: Specimen, consumer: str, count: int) -> list[tuple[str, int]]:
    found = await specimen.effects(consumer)
    assert len(found) == count, found
    return found

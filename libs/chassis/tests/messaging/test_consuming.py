"""From a commit to its effects: relay, queues, consumers, in one process on real servers."""

from typing import Any

import pytest
from threadly_chassis.testing import eventually

pytestmark = pytest.mark.integration


async def test_an_event_reaches_every_consumer_once(specimen: Any) -> None:
    """R-SYS-03."""
    async with specimen.working():
        await specimen.write("a", "b", "a")
        for consumer in ("specimen.every", "specimen.newest", "specimen.outside"):
            effects = await eventually(
                lambda c=consumer: _when(specimen.effects(c), 3), describe=f"three effects of {consumer}"
            )
            assert sorted(effects) == [("a", 1), ("a", 2), ("b", 1)]
    assert await specimen.pending() == 0


async def _when(rows: Any, count: int) -> Any:
    found = await rows
    assert len(found) == count, found
    return found

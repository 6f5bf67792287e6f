"""The specimen with a strict reader."""

import pytest

from threadly_chassis.messaging.discards import with_discards
from threadly_chassis.messaging.ladder import Ladder
from threadly_chassis.messaging.topology import Topology
from threadly_chassis.testing.specimen.harness import LADDER, SPECIMEN, Processes, Specimen
from threadly_chassis.testing.specimen.ordered import Ordered
from threadly_chassis.testing.specimen.strict import STRICT


@pytest.fixture
async def ordered(specimen: Specimen) -> Ordered:
    await Topology([with_discards(STRICT)], Ladder(LADDER)).apply(await specimen.broker.get())
    return Ordered(specimen).with_settings(gap_resend_after=0.3)


@pytest.fixture
def strict_processes(ordered: Ordered, processes: Processes, monkeypatch: pytest.MonkeyPatch) -> Processes:
    """Worker processes of the specimen with the strict reader."""
    monkeypatch.setenv("THREADLY_GAP_RESEND_AFTER", "0.3")
    return Processes(ordered.specimen, processes.running, f"{SPECIMEN}.strict")

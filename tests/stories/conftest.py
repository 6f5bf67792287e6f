"""A whole system of the stories' own: every service, worker, server and stand-in, on ports of its own."""

from collections.abc import Iterator

import pytest

from threadly_chassis.testing import eventually
from threadly_demo.world import World
from threadly_embedded.whole_system import RunningSystem, running_system

#: Seconds that a step may wait while processes are being killed and started again.
PATIENCE = 60.0


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running_system(tmp_path_factory.mktemp("system")) as system:
        yield system


@pytest.fixture
async def unhurt(system: RunningSystem, monkeypatch: pytest.MonkeyPatch) -> RunningSystem:
    """The system with every program ready, and its settings in this process for operators' commands."""
    for name, value in system.environment.items():
        monkeypatch.setenv(name, value)
    await eventually(system.is_healthy, timeout=120, describe="every program to be ready")
    return system


@pytest.fixture
def world(unhurt: RunningSystem) -> World:
    """The system as a client sees it."""
    return World.from_environment(unhurt.environment, patience=PATIENCE)

"""The broker is killed, away, or out of memory: nothing is lost, doubled, reordered or made up."""

from collections.abc import Callable

import pytest

from threadly_chassis.testing.specimen.cluster import Cluster, Load
from threadly_embedded.breakable import Broker

pytestmark = pytest.mark.integration

MakeLoad = Callable[[Cluster], Load]


async def test_the_broker_killed_and_started_again_under_load(
    own_cluster: Cluster, broker: Broker, load: MakeLoad
) -> None:
    """F21, F01, R-SYS-10: SIGKILL while both relays publish; I1 to I5, with rollbacks mixed in."""
    writing = load(own_cluster)
    own_cluster.start()
    async with writing.running():
        await own_cluster.consuming()
        await writing.goes_on()
        await broker.kill()
        await writing.goes_on()
        await broker.start()
        await writing.goes_on()
    assert not writing.errors
    await own_cluster.verify()

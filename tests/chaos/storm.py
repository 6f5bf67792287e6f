"""`make chaos`: faults of every kind, in random order, over a running load; then the history is checked.

`SEED=` repeats the order and kind of the faults and what the writers do, `MINUTES=` bounds the run. Two
workers, one of them behind a proxy, each started again when it dies.
"""

import os
import random
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from threadly_chassis.testing.proxy import TcpProxy
from threadly_chassis.testing.specimen.cluster import Cluster
from threadly_chassis.testing.specimen.load import Load
from threadly_chassis.testing.specimen.storm import Storm
from threadly_embedded.breakable import BreakablePostgres, Broker

MINUTES = float(os.environ.get("MINUTES") or 5)
#: Seconds that the system may take to come to rest afterwards: two pauses of the circuit breaker, and work.
_REST = 90.0

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60 * MINUTES + 600)]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@pytest.mark.parametrize("ladder", [("1s", "2s", "5s")])
async def test_a_storm_breaks_no_promise(
    own_database_cluster: Cluster,
    postgres: BreakablePostgres,
    broker: Broker,
    load: Callable[[Cluster], Load],
    seed: int,
) -> None:
    """I1 to I5 after everything that eventing §5 knows how to break, R-SYS-10."""
    cluster, writing = own_database_cluster, load(own_database_cluster)
    writing.says = ("",) * 38 + ("fail until attempt 2", "fail until attempt 3")
    url = cluster.specimen.settings.amqp_url.get_secret_value()
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(TcpProxy.before(url))
        behind = await stack.enter_async_context(cluster.supervised(1, THREADLY_AMQP_URL=proxy.url(url)))
        direct = await stack.enter_async_context(cluster.supervised(1))
        await cluster.consuming()
        chance = random.Random(seed)  # noqa: S311 - no secret
        storm = Storm(chance, cluster, broker, postgres, broker.control, proxy, _say)
        _say(f"\nSEED={seed} MINUTES={MINUTES:g}")
        async with writing.running():
            await storm.rage(60 * MINUTES)
        history = await cluster.verify(seconds=_REST)
    _say(f"faults: {dict(sorted(storm.counts.items()))}")
    _say(f"workers ended by: {sorted(behind + direct)}; writes refused: {len(writing.errors)}")
    _say(f"history: {history.summary()}; at rest after {history.lag_seconds:.1f} s")

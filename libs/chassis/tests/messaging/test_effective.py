"""F48: what the topology promises is what the broker at hand does, and the probe sees when it is not."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aio_pika.abc import AbstractConnection
from pamqp.common import FieldTable

from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.effective import probe, probe_topology
from threadly_chassis.messaging.topology import Topology

pytestmark = pytest.mark.integration


@pytest.fixture
async def connection(vhost: str) -> AsyncIterator[AbstractConnection]:
    broker = BrokerConnection(vhost, "probe")
    yield await broker.get()
    await broker.close()


async def test_the_broker_does_what_the_topology_means(connection: AbstractConnection) -> None:
    """F48, R-SYS-10: on RabbitMQ 3.10 and 4.x alike; docs/rabbitmq-versions.md has the table."""
    findings = await probe(connection)
    assert [str(finding) for finding in findings if not finding.holds] == []
    assert [str(finding) for finding in findings] == [
        "a requeued message: kept over 25 requeues",
        "a requeued message goes: to the head",
        "a rejected message: is a lasting dead letter",
        "a waiting message comes back: when its own time is up",
        "a message that waits without a time of its own: comes back after the queue's bound",
    ]


async def test_the_probe_leaves_nothing_behind(connection: AbstractConnection) -> None:
    topology = probe_topology()
    await probe(connection, topology)
    problems = await topology.check(connection)
    missing = {line.split()[1] for line in problems if line.endswith("is missing")}
    assert {queue.name for queue in topology.queues if queue.name.startswith("probe-")} <= missing
    assert {exchange.name for exchange in topology.exchanges if exchange.name.startswith("probe-")} <= missing


def _with(topology: Topology, suffix: str, **changed: str | int | None) -> Topology:
    """The same topology with other arguments (`x_dead_letter_exchange=None` leaves one out) for a queue."""
    new: FieldTable = {name.replace("_", "-"): value for name, value in changed.items()}
    topology.queues = [
        replace(queue, arguments={k: v for k, v in {**queue.arguments, **new}.items() if v is not None})
        if queue.name.endswith(suffix)
        else queue
        for queue in topology.queues
    ]
    return topology


@pytest.mark.parametrize(
    ("suffix", "changed", "said"),
    [
        (".tried", {"x_delivery_limit": 5}, "a requeued message: gone after 6 requeues"),
        (
            ".tried",
            {"x_dead_letter_routing_key": "nowhere", "x_dead_letter_strategy": "at-most-once"},
            "a rejected message: is dropped",
        ),
        (
            ".wait.500ms",
            {"x_dead_letter_exchange": None, "x_dead_letter_strategy": None},
            "a waiting message: does not come back",
        ),
    ],
    ids=["a low limit", "dead letters to nowhere", "a ladder without a way back"],
)
async def test_the_probe_sees_a_broker_that_does_something_else(
    connection: AbstractConnection,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
    changed: dict[str, str | int | None],
    said: str,
) -> None:
    monkeypatch.setattr("threadly_chassis.messaging.effective._PATIENCE", 1.5)
    findings = await probe(connection, _with(probe_topology(), suffix, **changed))
    assert said in [str(finding) for finding in findings if not finding.holds]

"""Queues that are not what they should be, and brokers that mean something else (eventing §5)."""

import urllib.error
import urllib.request

import pytest

from threadly_chassis.messaging.effective import probe
from threadly_chassis.testing.specimen.cluster import Cluster
from threadly_chassis.testing.specimen.load import patiently

pytestmark = pytest.mark.integration


async def test_f48_the_broker_at_hand_does_what_the_topology_means(cluster: Cluster) -> None:
    """F48: limit, requeue position, dead letters, waits; docs/rabbitmq-versions.md has the answers."""
    overview = cluster.management.call("GET", "overview")
    findings = await probe(await cluster.specimen.broker.get())
    print(overview["rabbitmq_version"], *findings, sep="\n")  # noqa: T201 - for the table of versions
    assert [str(finding) for finding in findings if not finding.holds] == []


async def test_f48_an_unsafe_queue_is_refused_at_the_start(cluster: Cluster) -> None:
    """F48: two workers find a queue without a delivery limit; neither is ready, neither consumes."""
    await cluster.delete_queue("specimen.every")
    async with (await cluster.specimen.broker.get()).channel() as channel:
        await channel.declare_queue("specimen.every", durable=True, arguments={"x-queue-type": "quorum"})
    cluster.start()
    await patiently(lambda: _refused(cluster, 2), describe="both to say what is wrong")
    assert [_readiness(process.port) for process in cluster.running] == [503, 503]
    assert await cluster.consumers_of("specimen.every") == 0
    assert await cluster.consumers_of("specimen.newest") == 0


def _refused(cluster: Cluster, count: int) -> bool:
    logs = [log.read_text() for log in cluster.folder.glob("worker-*.log")]
    saying = [log for log in logs if "topology not applied" in log and "PRECONDITION_FAILED" in log]
    return len(saying) == count


def _readiness(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code

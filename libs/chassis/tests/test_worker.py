"""The worker process: ready, draining on SIGTERM, dying loudly."""

import json
import signal
import urllib.error
import urllib.request
from typing import Any

import pytest

from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.harness import SPECIMEN, Processes, Specimen

pytestmark = pytest.mark.integration


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()
    except OSError as nobody:
        raise AssertionError(str(nobody)) from nobody


async def test_it_becomes_ready_works_and_drains_on_sigterm(specimen: Specimen, processes: Processes) -> None:
    process = processes.start()
    await eventually(lambda: _get(process.port, "/health/ready")[0] == 200, timeout=20, describe="readiness")
    assert _get(process.port, "/health/live")[0] == 200
    await specimen.write("first")
    await eventually(lambda: _applied(specimen, 1), describe="the first effect")
    counted = 'threadly_consumed_total{consumer="specimen.every",outcome="applied"}'
    await eventually(lambda: counted in _get(process.port, "/metrics")[1], describe="it is counted, too")
    await specimen.write(*(f"note-{number}" for number in range(50)))
    process.send_signal(signal.SIGTERM)
    await eventually(lambda: process.poll() is not None, timeout=30, describe="its end")
    assert process.returncode in {0, -signal.SIGTERM}
    applied, left = len(await specimen.effects()), await specimen.depth("specimen.every")
    assert applied + left + await specimen.pending() >= 50
    processes.start()
    await eventually(lambda: _applied(specimen, 51), timeout=20, describe="the rest")


async def _applied(specimen: Specimen, count: int) -> bool:
    return len(set(await specimen.effects())) == count == len(await specimen.effects())


async def test_a_drain_that_hangs_is_cut_off(specimen: Specimen, processes: Processes) -> None:
    processes.module = f"{SPECIMEN}.stubborn"
    process = processes.start()
    await eventually(lambda: _get(process.port, "/health/ready")[0] == 200, timeout=20, describe="readiness")
    process.send_signal(signal.SIGTERM)
    await eventually(lambda: process.poll() is not None, timeout=30, describe="its end")
    assert process.returncode == 1


async def test_it_tells_operations_its_consumers(specimen: Specimen, processes: Processes) -> None:
    processes.start()

    async def told() -> Any:
        return await specimen.query(
            "select convert_from(payload, 'UTF8') from outbox_event "
            "where event_type like '%consumers_declared.v1'"
        )

    [(body,)] = await eventually(told, timeout=20, describe="the declaration")
    declared = json.loads(body)
    assert declared["service"] == "specimen"
    consumers = ("every", "newest", "outside", "rebuild-control")
    assert declared["consumers"] == [f"specimen.{name}" for name in consumers]


async def test_without_a_broker_it_lives_and_is_not_ready(specimen: Specimen, processes: Processes) -> None:
    process = processes.start(amqp_url="amqp://guest:guest@127.0.0.1:1/")
    await eventually(lambda: _get(process.port, "/health/live")[0] == 200, timeout=20, describe="life")
    status, body = _get(process.port, "/health/ready")
    assert status == 503
    assert set(json.loads(body)["faults"]) == {"consumers", "relay"}


async def test_a_task_that_dies_takes_the_worker_along(specimen: Specimen) -> None:
    deaths: list[BaseException] = []

    async def dies() -> None:
        raise ZeroDivisionError

    worker = specimen.worker(on_death=deaths.append)
    async with worker:
        worker._start("doomed", dies())
        await eventually(lambda: deaths, describe="the death")
    assert isinstance(deaths[0], ZeroDivisionError)

"""Dead letters on their way to operations and back: kills, two operators at once, dry runs (eventing §5).

Two specimen workers, two gatherers, two senders, two workers of operations.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_chassis.testing.service import client_for
from threadly_chassis.testing.specimen.cluster import Cluster
from threadly_chassis.testing.specimen.load import patiently
from threadly_chassis.testing.working import working
from threadly_operations.dependencies import OperationsDeps, open_deps
from threadly_operations.main import build_app
from threadly_operations.storage.dead_letters import Selection
from threadly_operations.subscriptions import SUBSCRIPTIONS
from threadly_operations.use_cases.gather_dead_letters import gather_dead_letters
from threadly_operations.use_cases.replay_dead_letters import replay_dead_letters
from threadly_operations.use_cases.send_replays import send_replays

pytestmark = pytest.mark.integration

LETTERS = "/v1/operations/dead-letters"
_BROKEN = "insert into consumer_fault values ('specimen.every', 'the bank is closed', true, null)"

#: Runs one use case of operations and dies before or after its nth call of something.
_DOOMED = """
import asyncio, os, signal, sys
from importlib import import_module
from threadly_operations.dependencies import open_deps
from threadly_operations.settings import OperationsSettings

use_case, owner, method, when, count = sys.argv[1:]
run = getattr(import_module(f"threadly_operations.use_cases.{use_case}"), use_case)
module, _, name = owner.rpartition(".")
kind = getattr(import_module(module), name)
original, calls = getattr(kind, method), 0

async def dying(*given, **named):
    global calls
    calls += 1
    if when == "before" and calls == int(count):
        os.kill(os.getpid(), signal.SIGKILL)
    result = await original(*given, **named)
    if when == "after" and calls == int(count):
        os.kill(os.getpid(), signal.SIGKILL)
    return result

async def main():
    setattr(kind, method, dying)
    async with open_deps(OperationsSettings()) as deps:
        await run(deps)

asyncio.run(main())
"""


async def _dies(operations: OperationsDeps, *words: str) -> None:
    """Run a use case in a process of its own, which is killed in the middle of it."""
    settings = operations.settings
    environment = {
        **os.environ,
        "THREADLY_OPERATIONS_DATABASE_URL": settings.database_url.get_secret_value(),
        "THREADLY_AMQP_URL": settings.amqp_url.get_secret_value(),
        "THREADLY_REDIS_URL": "redis://unused",
        "THREADLY_IDENTITY_PUBLIC_KEYS": ",".join(settings.identity_public_keys),
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _DOOMED, *words, env=environment)
    assert await process.wait() == -signal.SIGKILL


async def _rows(operations: OperationsDeps, query: str) -> list[tuple[Any, ...]]:
    async with operations.db.read() as session:
        return [tuple(row) for row in await session.execute(text(query))]


async def _buried(cluster: Cluster, count: int) -> None:
    """Let one consumer give up so many events, all others apply them."""
    await cluster.specimen.execute(_BROKEN)
    await cluster.specimen.write(*(f"note-{number % 8}" for number in range(count)))
    await cluster.at_rest(every=count)
    await cluster.specimen.execute("delete from consumer_fault")


@asynccontextmanager
async def _two_of(operations: OperationsDeps) -> AsyncIterator[OperationsDeps]:
    """The same service once more, as its second process has it."""
    async with open_deps(operations.settings) as second:
        yield second


async def test_f19_a_gatherer_killed_between_its_commit_and_the_ack(
    cluster: Cluster, operations: OperationsDeps
) -> None:
    """F19: the letters come again, to two gatherers at once, and stay one row each."""
    async with cluster.working():
        await _buried(cluster, 12)
    await _dies(operations, "gather_dead_letters", "aio_pika.IncomingMessage", "ack", "before", "1")
    stored = await _rows(operations, "select message_key, occurrences from dead_letter order by 1")
    assert len(stored) == 12
    await patiently(lambda: _back(cluster, 12), describe="the letters back in their queue")
    async with _two_of(operations) as second:
        await asyncio.gather(gather_dead_letters(operations), gather_dead_letters(second))
    assert await _rows(operations, "select message_key, occurrences from dead_letter order by 1") == stored
    assert await cluster.specimen.depth("specimen.every.dlq") == 0


async def _back(cluster: Cluster, count: int) -> bool:
    return await cluster.specimen.depth("specimen.every.dlq") == count


_PUBLISH = ("threadly_chassis.messaging.publisher.Publisher", "publish")


@pytest.mark.parametrize(
    ("when", "count"), [("before", 1), ("after", 4), ("after", 8)], ids=["claimed", "half sent", "all sent"]
)
async def test_f20_a_replay_killed_in_each_state_goes_on(
    cluster: Cluster, operations: OperationsDeps, when: str, count: int
) -> None:
    """F20: every chosen letter is sent at least once and has its effect once; the audit says so (I7)."""
    async with (
        _two_of(operations) as second,
        working(operations.settings, operations, SUBSCRIPTIONS),
        working(second.settings, second, SUBSCRIPTIONS),
        cluster.working(),
    ):
        await _buried(cluster, 8)
        await gather_dead_letters(operations)
        await _replayed(operations)
        await _dies(operations, "send_replays", *_PUBLISH, when, str(count))
        assert await _rows(operations, "select distinct sent_at from dead_letter") == [(None,)]
        await asyncio.gather(send_replays(operations), send_replays(second))
        await patiently(lambda: _all_resolved(operations, 8), describe="all resolved")
        await cluster.verify()
    assert len(await cluster.specimen.effects()) == 8
    assert await _rows(operations, "select action, count(*) from audit_entry group by 1") == [("replay", 8)]


async def _replayed(operations: OperationsDeps) -> None:
    async with operations.db.transaction() as tx:
        await replay_dead_letters(
            tx, Selection(consumer="specimen.every"), clock=operations.clock, actor="olga", reason="mended"
        )


async def _all_resolved(operations: OperationsDeps, count: int) -> bool:
    states = await _rows(operations, "select status, count(*) from dead_letter group by 1")
    if states != [("RESOLVED", count)]:
        raise AssertionError(states)
    return True


async def test_f40_a_replay_of_which_a_part_fails_again(cluster: Cluster, operations: OperationsDeps) -> None:
    """F40, without canary (docs/testing.md): who fails again is the same row, live traffic goes on."""
    async with cluster.working(), working(operations.settings, operations, SUBSCRIPTIONS):
        await _buried(cluster, 40)
        await cluster.specimen.write(*["incurable"] * 10, says="permanent")
        await cluster.at_rest(every=50, outside=10)
        await gather_dead_letters(operations)
        await _replayed(operations)
        await asyncio.gather(send_replays(operations), cluster.specimen.write(*["live"] * 20))
        await patiently(lambda: _effects_of(cluster, "live", 20), describe="the live traffic's effects")
        await patiently(lambda: _gathered(operations, {"RESOLVED": 40, "OPEN": 20}), describe="both fates")
    twice = await _rows(operations, "select count(*), max(subject) from dead_letter where occurrences = 2")
    assert twice == [(10, "incurable")]
    assert len(await _rows(operations, "select 1 from dead_letter")) == 60


async def _effects_of(cluster: Cluster, note: str, count: int) -> bool:
    return [name for name, _ in await cluster.specimen.effects()].count(note) == count


async def _gathered(operations: OperationsDeps, expected: dict[str, int]) -> bool:
    await gather_dead_letters(operations)
    states = dict(await _rows(operations, "select status, count(*) from dead_letter group by 1"))
    if states != expected:
        raise AssertionError(states)
    return True


@asynccontextmanager
async def _two_operators(
    operations: OperationsDeps, identity: TestIdentity
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Two people, each served by a process of its own."""
    settings = operations.settings
    async with (
        client_for(build_app(settings), identity.headers(somebody("Olga", "operator"))) as olga,
        client_for(build_app(settings), identity.headers(somebody("Otto", "operator"))) as otto,
    ):
        yield olga, otto


@pytest.mark.parametrize("verbs", [("replay", "replay"), ("discard", "discard"), ("replay", "discard")])
async def test_f41_two_operators_decide_about_one_letter_at_once(
    cluster: Cluster, operations: OperationsDeps, identity: TestIdentity, verbs: tuple[str, str]
) -> None:
    """F41: one wins, the other is told 409, and the audit knows of as many decisions as were taken (I7)."""
    async with cluster.working():
        await _buried(cluster, 10)
    await gather_dead_letters(operations)
    decided = []
    async with _two_operators(operations, identity) as clients:
        for (letter,) in await _rows(operations, "select id::text from dead_letter"):
            calls = zip(clients, verbs, strict=True)
            answers = await asyncio.gather(*(_decide(client, letter, verb) for client, verb in calls))
            won = [answer for answer in answers if answer.is_success]
            assert sorted(answer.is_success for answer in answers) == [False, True]
            assert {answer.status_code for answer in answers if not answer.is_success} == {409}
            decided += [(letter,)] * len(won)
    audited = await _rows(operations, "select dead_letter_id::text from audit_entry")
    assert sorted(audited) == sorted(decided)


async def _decide(client: httpx.AsyncClient, letter: str, verb: str) -> httpx.Response:
    if verb == "replay":
        return await client.post(f"{LETTERS}/replays", json={"ids": [letter], "reason": "mended"})
    return await client.post(f"{LETTERS}/{letter}/discard", json={"reason": "hopeless"})


_DIGEST = """
select (select md5(string_agg(l::text, ',' order by id)) from dead_letter l),
       (select count(*) from audit_entry), (select count(*) from outbox_event)
"""


async def test_f42_a_dry_run_changes_nothing(
    cluster: Cluster, operations: OperationsDeps, identity: TestIdentity
) -> None:
    """F42, on 300 letters: all are named, the database is as it was, and nothing is sent."""
    async with cluster.working():
        await _buried(cluster, 300)
        await gather_dead_letters(operations)
        before, effects = await _rows(operations, _DIGEST), len(await cluster.specimen.effects())
        async with _two_operators(operations, identity) as clients:
            plans = await asyncio.gather(
                *(
                    c.post(f"{LETTERS}/replays", json={"consumer": "specimen.every", "dry_run": True})
                    for c in clients
                )
            )
            await send_replays(operations)
        for plan in plans:
            assert len(plan.json()["dead_letter_ids"]) == 300
        assert await _rows(operations, _DIGEST) == before
        assert len(await cluster.specimen.effects()) == effects
        assert await cluster.specimen.depth("specimen.every") == 0

"""Dead letters are rehearsed in bulk under live traffic: nothing of it lasts or is heard (eventing §5).

Two specimen workers in processes of their own, with a port to the outside.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from threadly_chassis.db import Database
from threadly_chassis.messaging.rehearsal import RehearsalOutcome
from threadly_chassis.testing.database import digest
from threadly_chassis.testing.specimen.cluster import Cluster
from threadly_chassis.testing.specimen.harness import SPECIMEN
from threadly_chassis.testing.specimen.load import Load, patiently
from threadly_chassis.testing.specimen.ringing import RINGER, ledger_of
from threadly_chassis.testing.working import working
from threadly_operations.dependencies import OperationsDeps
from threadly_operations.schedules import SCHEDULES
from threadly_operations.storage.dead_letters import Selection
from threadly_operations.subscriptions import SUBSCRIPTIONS
from threadly_operations.use_cases.rehearse_dead_letters import Rehearsed, rehearse_dead_letters
from threadly_operations.use_cases.replay_dead_letters import replay_dead_letters

pytestmark = pytest.mark.integration

EVERY = "specimen.every"
#: Letters in the short form; `LENGTH=5` makes them a thousand. Half of them are about effects outside.
_LETTERS = 200
_BROKEN = "insert into consumer_fault values (:consumer, 'the bank is closed', true, null)"
#: What the letters' effects would change, told from live traffic by the aggregates: their rows, their marks,
#: and events that would follow from them.
_OF_LETTERS = """
select (select md5(string_agg(e::text, ',' order by id)) from effect e where note_id like 'letter-%'),
       (select count(*) from inbox i join outbox_event e using (event_id)
        where e.agg_id like 'letter-%' and i.consumer in ('specimen.every', 'specimen.ringer')),
       (select md5(string_agg(n::text, ',' order by note_id)) from note n where note_id like 'letter-%'),
       (select count(*) from outbox_event where agg_id like 'letter-%')
"""


def _ledger(cluster: Cluster) -> list[str]:
    """What was really heard outside."""
    settings = cluster.specimen.settings.model_copy(update={"deliveries": str(cluster.folder / "deliveries")})
    ledger: Path = ledger_of(settings)
    return ledger.read_text().splitlines() if ledger.exists() else []


async def test_f42_a_rehearsal_of_many_letters_changes_nothing_while_live_traffic_goes_on(
    cluster: Cluster, operations: OperationsDeps, load: Callable[[Cluster], Load], length: int
) -> None:
    """F42: when all is quiet every table is as before, under load the letters' part; and the bell's ledger.

    Then live events turn out to be applied once, and the letters' replay does what its rehearsal said.
    """
    count = _LETTERS * length
    cluster.start(module=f"{SPECIMEN}.ringing")
    await cluster.consuming()
    await _buried(cluster, count // 2)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(working(operations.settings, operations, SUBSCRIPTIONS, SCHEDULES))
        await patiently(lambda: _stand(operations, OPEN=count), describe="all letters gathered")
        heard = _ledger(cluster)
        before, in_operations = await digest(cluster.specimen.db), await _letters_kept(operations.db)
        _check(await _rehearsed(operations, count), count)
        assert _changed(before, await digest(cluster.specimen.db)) == set()
        assert _changed(in_operations, await _letters_kept(operations.db)) == set()
        assert _ledger(cluster) == heard

        of_letters, live = await cluster.specimen.query(_OF_LETTERS), load(cluster)
        live.says = ("live",)
        async with live.running():
            await live.goes_on(30)
            _check(await _rehearsed(operations, count), count)
            await live.goes_on(30)
        assert await cluster.specimen.query(_OF_LETTERS) == of_letters
        await patiently(lambda: _applied(cluster, "live", len(live.answered)), describe="live events applied")
        assert sorted(_ledger(cluster)) == sorted([*heard, *map(str, live.answered)])
        assert await _stand(operations, OPEN=count)

        async with operations.db.transaction() as tx:
            wanted = Selection()
            await replay_dead_letters(tx, wanted, clock=operations.clock, actor="olga", reason="mended")
        await patiently(
            lambda: _stand(operations, RESOLVED=count), seconds=60.0 * length, describe="all resolved"
        )
        await patiently(lambda: _applied(cluster, "", count // 2), describe="letters applied")
        assert len(set(_ledger(cluster))) == len(_ledger(cluster)) == len(live.answered) + count // 2


async def _buried(cluster: Cluster, notes: int) -> None:
    """Let two consumers give up so many events each: one with effects in its database, one outside."""
    for consumer in (EVERY, RINGER):
        await cluster.specimen.execute(_BROKEN, consumer=consumer)
    await cluster.specimen.write(*(f"letter-{number % 8}" for number in range(notes)))
    await cluster.at_rest(seconds=0.2 * notes + 30, every=notes)
    await patiently(lambda: _depth(cluster, f"{RINGER}.dlq", notes), describe="the ringer's letters")
    await cluster.specimen.execute("delete from consumer_fault")


async def _depth(cluster: Cluster, queue: str, count: int) -> bool:
    return await cluster.specimen.depth(queue) == count


async def _rehearsed(operations: OperationsDeps, count: int) -> list[Rehearsed]:
    return await rehearse_dead_letters(
        operations.db,
        operations.asker,
        Selection(),
        clock=operations.clock,
        actor="olga",
        limit=count,
        seconds=600,
    )


def _check(said: Collection[Rehearsed], count: int) -> None:
    assert len({each.dead_letter_id for each in said}) == count
    assert {each.rehearsal.outcome for each in said} == {RehearsalOutcome.WOULD_APPLY}
    for each in said:
        [rows] = each.rehearsal.rows
        assert (rows.table, rows.inserted) == ("effect", 1)
        calls = [(call.port, call.method) for call in each.rehearsal.calls]
        assert calls == ([("bell", "ring")] if each.rehearsal.consumer == RINGER else [])


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    return {name for name in after if before[name] != after[name]}


async def _letters_kept(db: Database) -> dict[str, Any]:
    """What operations holds of letters; its registry of consumers is told now and again by their workers."""
    whole = await digest(db)
    return {name: whole[name] for name in ("dead_letter", "replay", "replay_letter")}


async def _stand(operations: OperationsDeps, **expected: int) -> bool:
    async with operations.db.read() as session:
        found = await session.execute(text("select status, count(*) from dead_letter group by 1"))
        states = {str(status): int(letters) for status, letters in found}
    if states != expected:
        raise AssertionError(states)
    return True


async def _applied(cluster: Cluster, says: str, count: int) -> bool:
    """Each consumer has applied so many events that say this, each once."""
    found = await cluster.specimen.query(
        "select consumer, count(*), count(distinct event_id) from effect where text = :says group by 1",
        says=says,
    )
    if {tuple(row[1:]) for row in found if row[0] in {EVERY, RINGER}} != {(count, count)}:
        raise AssertionError(found)
    return True

"""The relay: order, several at once, refusals, poison; each with what a crash or a broker can do to it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text

from threadly_chassis.ids import new_id
from threadly_chassis.messaging import headers as h
from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.publisher import Confirmation, Publisher
from threadly_chassis.outbox import relay as relay_module
from threadly_chassis.outbox.append import shard_of
from threadly_chassis.outbox.notifier import CHANNEL, Notifier
from threadly_chassis.outbox.relay import Relay, _Sent, confirmed_prefixes
from threadly_chassis.outbox.store import OutboxRow, OutboxStore
from threadly_chassis.tasks import end_tasks
from threadly_chassis.testing import eventually
from threadly_chassis.testing.slow_commit import write_ahead
from threadly_chassis.testing.specimen.harness import Specimen
from threadly_chassis.testing.specimen.service import NoteBurnt, write_note


def _row(number: int, note: str) -> OutboxRow:
    return OutboxRow(
        number,
        0,
        str(uuid4()),
        "note",
        note,
        number,
        "threadly.specimen.note_written.v1",
        1,
        {},
        b"",
        0,
    )


def test_only_the_confirmed_prefix_of_each_aggregate_is_settled() -> None:
    rows = [_row(1, "a"), _row(2, "b"), _row(3, "a"), _row(4, "b"), _row(5, "a")]
    yes, no, unknown = Confirmation.CONFIRMED, Confirmation.REFUSED, Confirmation.UNKNOWN
    sent = [_Sent(row, outcome) for row, outcome in zip(rows, [yes, no, unknown, yes, yes], strict=True)]
    assert [row.id for row in confirmed_prefixes(sent)] == [1]


@asynccontextmanager
async def _relaying(specimen: Specimen, relays: int = 1, **options: Any) -> AsyncIterator[list[Relay]]:
    connections = [
        BrokerConnection(specimen.settings.amqp_url.get_secret_value(), "relay") for _ in range(relays)
    ]
    running = [Relay(specimen.database_url, Publisher(c, timeout=5), **options) for c in connections]
    tasks = [asyncio.create_task(relay.run()) for relay in running]
    try:
        yield running
    finally:
        await end_tasks(*tasks)
        for connection in connections:
            await connection.close()


async def _sent(specimen: Specimen, count: int, queue: str = "specimen.every") -> list[Any]:
    """Wait until the queue holds `count` messages, then take them."""

    async def there() -> bool:
        return await specimen.pending() == 0 and await specimen.depth(queue) >= count

    await eventually(there, timeout=20, describe=f"{count} messages in {queue}")
    return list(await specimen.take(queue))


def _versions(messages: list[Any]) -> dict[str, list[int]]:
    found = defaultdict(list)
    for message in messages:
        found[message.headers["cloudEvents:subject"]].append(message.headers["t-agg-version"])
    return dict(found)


@pytest.mark.integration
async def test_a_message_on_the_wire(specimen: Specimen) -> None:
    await specimen.write("a", says="hello")
    [event_id] = await specimen.appended()
    async with _relaying(specimen):
        [message] = await _sent(specimen, 1)
    assert message.message_id == str(event_id)
    assert message.body == b'{"note_id":"a","says":"hello"}'
    assert message.routing_key == "specimen.note_written.v1"
    assert (message.type, message.app_id) == ("threadly.specimen.note_written.v1", "specimen")
    assert message.delivery_mode == 2
    assert message.content_type == "application/json"
    [appended_at] = [row[0] for row in await specimen.query("select created_at from outbox_event")]
    assert datetime.fromisoformat(str(message.headers.pop("cloudEvents:time"))) == appended_at
    # A quorum queue counts how often it has delivered a message to `basic.get`.
    headers = {name: value for name, value in message.headers.items() if name != h.DELIVERY_COUNT}
    assert headers == {
        "cloudEvents:specversion": "1.0",
        "cloudEvents:id": str(event_id),
        "cloudEvents:source": "/threadly/specimen",
        "cloudEvents:type": "threadly.specimen.note_written.v1",
        "cloudEvents:subject": "a",
        "cloudEvents:sequence": "00000000000000000001",
        "cloudEvents:correlationid": str(event_id),
        "t-agg-type": "note",
        "t-agg-version": 1,
        "t-schema": 1,
        "t-epoch": 0,
    }


@pytest.mark.integration
async def test_out_of_order_commits_lose_nothing(specimen: Specimen) -> None:
    """F03: A draws its id before B and commits after it, with the relay polling in between."""
    async with _relaying(specimen):
        async with specimen.db.transaction() as first:
            await write_note(first, "slow")
            await write_ahead(first)
            await specimen.write("quick")
            [message] = await eventually(lambda: _take_some(specimen), describe="the quick one")
            assert message.headers["cloudEvents:subject"] == "quick"
        [message] = await eventually(lambda: _take_some(specimen), describe="the slow one")
        assert message.headers["cloudEvents:subject"] == "slow"
    assert await specimen.pending() == 0


@pytest.mark.integration
async def test_an_event_that_is_not_seen_holds_those_behind_it(specimen: Specimen) -> None:
    """What is moved to another partition at the moment of the look is not overtaken by its successor."""
    await specimen.write("a", "a", "b", "a")
    assert shard_of("a") != shard_of("b")
    await specimen.execute("create table elsewhere as select * from outbox_event where id = 2")
    await specimen.execute("delete from outbox_event where id = 2")
    async with _relaying(specimen):
        await eventually(lambda: _pending_is(specimen, [2, 4]), describe="what can go")
        assert _versions(await specimen.take("specimen.every")) == {"a": [1], "b": [1]}
        await specimen.execute("insert into outbox_event overriding system value select * from elsewhere")
        assert _versions(await _sent(specimen, 2)) == {"a": [2, 3]}


async def _pending_is(specimen: Specimen, ids: list[int]) -> bool:
    return [row[0] for row in await specimen.query("select id from outbox_pending order by id")] == ids


async def _take_some(specimen: Specimen) -> list[Any]:
    return list(await specimen.take("specimen.every"))


@pytest.mark.integration
async def test_without_notifications_the_poll_moves_events(specimen: Specimen) -> None:
    """F06: nobody sends NOTIFY, and the listener's connection is cut; only latency is lost."""
    async with _relaying(specimen):
        await _cut(specimen, "threadly relay listener")
        await specimen.write("a")
        started = asyncio.get_running_loop().time()
        await _sent(specimen, 1)
        assert asyncio.get_running_loop().time() - started < 1.5


@pytest.mark.integration
@pytest.mark.parametrize("limits", ["one shard at a time", "a full batch", "a megabyte"])
async def test_a_relay_with_more_to_do_does_not_wait_for_the_next_poll(
    specimen: Specimen, monkeypatch: pytest.MonkeyPatch, limits: str
) -> None:
    """The poll is an hour away: what one look leaves over must be looked for at once."""
    monkeypatch.setattr(relay_module, "_POLL", (3600.0, 3600.0))
    if limits == "a full batch":
        monkeypatch.setattr(relay_module, "BATCH_MESSAGES", 3)
    if limits == "a megabyte":
        monkeypatch.setattr(relay_module, "BATCH_BYTES", 100)
    await specimen.write(*(f"note-{number}" for number in range(20)), says="x" * 20)
    async with _relaying(specimen, shards_at_once=1 if limits == "one shard at a time" else 16):
        assert len(await _sent(specimen, 20)) == 20


async def _cut(specimen: Specimen, application: str) -> None:
    async def cut() -> bool:
        rows = await specimen.query(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = :a and datname = current_database()",
            a=application,
        )
        return bool(rows)

    await eventually(cut, describe=f"a connection of {application}")


@pytest.mark.integration
async def test_the_relay_survives_the_loss_of_its_database_connection(specimen: Specimen) -> None:
    async with _relaying(specimen):
        await specimen.write("a")
        await _sent(specimen, 1)
        await _cut(specimen, "threadly relay")
        await specimen.write("a")
        assert _versions(await _sent(specimen, 1)) == {"a": [2]}


@pytest.mark.integration
async def test_the_notifier_coalesces_a_burst(specimen: Specimen) -> None:
    """1 000 wakes in one loop turn are one NOTIFY."""
    notifier = Notifier(specimen.database_url)
    task = asyncio.create_task(notifier.run())
    async with await psycopg.AsyncConnection.connect(specimen.database_url, autocommit=True) as listener:
        await listener.execute(f"listen {CHANNEL}")
        for _ in range(1000):
            notifier.wake()
        heard = [notice async for notice in listener.notifies(timeout=0.5)]
    await end_tasks(task)
    assert len(heard) == 1


@pytest.mark.integration
async def test_two_relays_keep_the_order_and_publish_each_event_once(specimen: Specimen) -> None:
    """F07, short: two relays steal shards from each other under load."""
    writers, each = 8, 40

    async def write(writer: int) -> None:
        for _ in range(each):
            await specimen.write(f"note-{writer}")

    async with _relaying(specimen, 2, shards_at_once=3):
        await asyncio.gather(*map(write, range(writers)))
        messages = await _sent(specimen, writers * each)
    assert _versions(messages) == {f"note-{w}": list(range(1, each + 1)) for w in range(writers)}
    assert {message.message_id for message in messages} == set(map(str, await specimen.appended()))


@pytest.mark.integration
async def test_a_leased_shard_is_nobody_elses(specimen: Specimen) -> None:
    await specimen.write(*(f"note-{number}" for number in range(100)))
    one, two = await OutboxStore.open(specimen.database_url), await OutboxStore.open(specimen.database_url)
    mine = await one.lease(10)
    theirs = await two.lease(16)
    assert len(mine) == 10
    assert sorted([*mine, *theirs]) == list(range(16))
    await one.close()
    await eventually(lambda: _leases(two, 16), describe="the dead relay's shards")
    await two.close()


async def _leases(store: OutboxStore, count: int) -> bool:
    await store.commit()
    return len(await store.lease(16)) == count


@pytest.mark.integration
async def test_an_event_nobody_binds_lands_in_unrouted_and_stops_nothing(specimen: Specimen) -> None:
    """F10."""
    async with _relaying(specimen):
        async with specimen.db.transaction() as tx:
            await tx.publish(NoteBurnt(note_id="a"), version=1)
        await specimen.write("b")
        [unrouted] = await _sent(specimen, 1, "t.unrouted")
        assert unrouted.type == "threadly.specimen.note_burnt.v1"
        assert _versions(await _sent(specimen, 1)) == {"b": [1]}


@pytest.mark.integration
async def test_a_returned_event_stays_pending_and_leaves_when_the_topology_is_repaired(
    specimen: Specimen,
) -> None:
    connection = await specimen.broker.get()
    async with connection.channel() as channel:
        underlay = await channel.get_underlay_channel()
        await underlay.queue_unbind("t.unrouted", "t.unrouted", "")
        async with specimen.db.transaction() as tx:
            await tx.publish(NoteBurnt(note_id="a"), version=1)
        async with _relaying(specimen):
            await eventually(lambda: _rests(specimen), describe="a resting shard")
            assert await specimen.pending() == 1
            await underlay.queue_bind("t.unrouted", "t.unrouted", "")
            assert len(await _sent(specimen, 1, "t.unrouted")) == 1


async def _rests(specimen: Specimen) -> bool:
    return bool(await specimen.query("select 1 from outbox_shard where backoff_until > now()"))


_PLANT = text(
    "with e as (insert into outbox_event "
    "(shard, event_id, agg_type, agg_id, agg_version, event_type, schema_major, headers, payload) "
    "values (:shard, :id, 'note', :note, 1, :type, 1, cast(:headers as jsonb), '{}') returning id, shard) "
    "insert into outbox_pending (shard, id) select shard, id from e"
)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("event_type", "headers"),
    [
        ("threadly.specimen.note_written.v1", '{"number": 99999999999999999999999999}'),
        ("threadly.specimen." + "x" * 300, "{}"),
    ],
    ids=["a number no AMQP type holds", "a routing key over 255 bytes"],
)
async def test_an_unpublishable_row_blocks_its_aggregate_and_no_other(
    specimen: Specimen, event_type: str, headers: str
) -> None:
    """F09: planted by SQL, since `append` refuses to write such a row."""
    row = {"shard": 0, "id": new_id(), "note": "poison", "type": event_type, "headers": headers}
    async with specimen.db.transaction() as tx:
        await tx.session.execute(_PLANT, row)
        await tx.session.execute(_PLANT, row | {"id": new_id(), "headers": "{}"})
        await tx.session.execute(
            _PLANT, {**row, "id": new_id(), "note": "neighbour", "headers": "{}", "type": _GOOD}
        )
    async with _relaying(specimen):
        await eventually(lambda: _blocked(specimen), describe="a blocked aggregate")
        await eventually(lambda: _neighbour_left(specimen), describe="the neighbour's event")
    assert await specimen.pending() == 2
    [(aggregate, version)] = await specimen.query("select agg_id, from_version from outbox_blocked")
    assert (aggregate, version) == ("poison", 1)


_GOOD = "threadly.specimen.note_written.v1"


async def _blocked(specimen: Specimen) -> bool:
    return bool(await specimen.query("select 1 from outbox_blocked"))


async def _neighbour_left(specimen: Specimen) -> bool:
    return await specimen.depth("specimen.every") == 1

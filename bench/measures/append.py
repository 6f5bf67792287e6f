"""What an event adds to a transaction that does little else: the worst case (the usual one: `sending`)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

from sqlalchemy import text

from threadly_chassis.db import Transaction
from threadly_chassis.outbox import Append, Call

from ..place import Place, Servers, place
from ..report import Verdict, beside
from ..rounds import Sample, take_turns
from ..scale import Scale
from ..service import ItemWeighed

WITH, WITHOUT = "with an event", "the same without"
#: The least that any outbox in tables costs: one more statement, one more row, sent with the commit.
ONE_ROW = "the same and one bare row"
_MOST_LOST = 0.05
#: The design's bound for an event, whatever the transaction (eventing §4.3).
_MOST_MILLISECONDS = 0.3
#: Transactions under way at once: a service's pool.
_CLIENTS = 8
_TABLES = """
create table item (item text primary key, owner uuid not null, state text not null, price bigint not null,
                   version bigint not null, changed_at timestamptz not null default now());
create table item_change (id bigint generated always as identity primary key,
                          item text not null references item,
                          who uuid not null, what text not null, at timestamptz not null default now());
create table bare (item text, who uuid);
insert into item select 'item-' || n, gen_random_uuid(), 'listed', 100, 0 from generate_series(0, 999) n;
"""
_LOOK = text("select owner, state, price from item where item = :item")
_CHANGE = text(
    "update item set price = price + 1, version = version + 1, changed_at = now() where item = :item "
    "returning version"
)
_NOTE = text("insert into item_change (item, who, what) values (:item, :who, 'weighed')")
_BARE = b"insert into bare (item, who) values ($1, $2)"
_SOMEBODY = uuid4()

#: What a contender does in addition to the use case.
_Extra = Callable[[Transaction, str, int], Awaitable[None]]


async def measure(servers: Servers, scale: Scale) -> list[Verdict]:
    """Transactions a second of a small use case: one read, one versioned change, one note of it."""
    async with place(servers) as here:
        await here.execute(_TABLES)
        rounds = await take_turns(
            {
                WITH: lambda: _load(here, scale.append_seconds, _publish),
                WITHOUT: lambda: _load(here, scale.append_seconds, _nothing),
                ONE_ROW: lambda: _load(here, scale.append_seconds, _one_row),
            },
            scale.append_rounds,
        )
    each = (1 / rounds.median(WITH) - 1 / rounds.median(WITHOUT)) * 1000
    return [
        Verdict(
            measure="append: what an event adds",
            unit="ms of the machine",
            ours=each,
            target=f"≤ {_MOST_MILLISECONDS:g} ms",
            met=each <= _MOST_MILLISECONDS,
            seconds=rounds.seconds,
            lost=rounds.lost(WITH),
            duplicated=rounds.duplicated(WITH),
            notes=f"to small transactions, {_CLIENTS} of them at once, so {each * _CLIENTS:.2f} ms to each",
        ),
        beside(
            rounds,
            WITH,
            WITHOUT,
            least=1 - _MOST_LOST,
            measure="append: small transactions with an event",
            unit="tx/s",
            notes="the worst case: one read, one versioned change, one note of it",
        ),
        beside(
            rounds,
            ONE_ROW,
            WITHOUT,
            measure="append: what one more bare row would leave",
            unit="tx/s",
            notes="one insert into a table of two columns without any index, with the commit as an event is",
        ),
    ]


async def _load(here: Place, seconds: float, extra: _Extra) -> Sample:
    before = await here.count("select count(*) from outbox_event")
    started = time.perf_counter()
    deadline = started + seconds
    counts = await asyncio.gather(*(_client(here, n, deadline, extra) for n in range(_CLIENTS)))
    elapsed = time.perf_counter() - started
    appended = await here.count("select count(*) from outbox_event") - before
    figure = sum(counts) / elapsed
    if extra is not _publish:
        return Sample(figure)
    missing = sum(counts) - appended
    return Sample(figure, max(missing, 0), max(-missing, 0))


async def _client(here: Place, number: int, deadline: float, extra: _Extra) -> int:
    done, who = 0, uuid4()
    while time.perf_counter() < deadline:
        item = f"item-{(done * _CLIENTS + number) % 1000}"
        async with here.db.transaction() as tx:
            version = await _use_case(tx, item, who.hex)
            await extra(tx, item, version)
        done += 1
    return done


async def _use_case(tx: Transaction, item: str, who: str) -> int:
    (await tx.session.execute(_LOOK, {"item": item})).one()
    version = int((await tx.session.execute(_CHANGE, {"item": item})).scalar_one())
    await tx.session.execute(_NOTE, {"item": item, "who": who})
    return version


async def _publish(tx: Transaction, item: str, version: int) -> None:
    await tx.publish(ItemWeighed(item=item, number=version), version=version)


async def _nothing(tx: Transaction, item: str, version: int) -> None:
    """What the baseline adds."""


async def _one_row(tx: Transaction, item: str, version: int) -> None:
    """Write a row the way in which events are written."""
    call = Call(_BARE, (item.encode(), _SOMEBODY.bytes))
    tx.appends.append(Append(_SOMEBODY, "a bare row", item, version, None, call))

"""The owner's side: its history, in the order of ids, straight into one reader's queue.

Where it stands is a row (`rebuild_source`), so a crash costs at most a batch sent twice, and any of the
service's workers goes on. The row's lock, held while a batch is under way, keeps two of them apart; its
`next_at` keeps the rate, however many they are.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from threadly_contracts.operations import RebuildProgressed, RebuildStreamed

from ..db import Transaction
from ..messaging import headers as h
from ..messaging.connection import BROKER_ERRORS, BrokerConnection
from ..messaging.fault_points import fault_point
from ..messaging.handling import HasDatabase
from ..messaging.publisher import Confirmation, Outgoing, Publisher, Refused
from ..observability.errors import capture
from ..observability.logging import get_logger
from ..outbox.message import to_message
from ..outbox.store import ROW_COLUMNS, OutboxRow
from ..tasks import only_own_cancellation
from .checksum import CHECKSUM
from .control import NO_ORDER
from .snapshots import Snapshots, restate

AFTER_CONFIRMS: Final = "rebuild.after_confirms"
#: Messages ready in the reader's queue above which history waits: live events stand in the same queue.
_CROWDED = 500
_BATCH = 200
_BATCHES_A_SECOND = 10
_IDLE_SECONDS = 1.0

_CLAIM = text("""
select rebuild_id, consumer, event_types, rate, state, last_id, position, sent, total, aggregates, checksum,
       told_at < clock_timestamp() - interval '1 second' as is_to_be_told
from rebuild_source where state not in ('streamed', 'abandoned') and next_at <= clock_timestamp()
order by next_at limit 1 for update skip locked
""")
_UNTIL_NEXT = text("""
select extract(epoch from min(next_at) - clock_timestamp()) from rebuild_source
where state not in ('streamed', 'abandoned')
""")
_SET_STATE = text("""
update rebuild_source set state = :state, next_at = clock_timestamp() + :wait * interval '1 second'
where rebuild_id = :rebuild_id
""")
_BOUND = text("""
update rebuild_source set last_id = (select coalesce(max(id), 0) from outbox_event)
where rebuild_id = :rebuild_id
""")
_FENCE = text("""
update rebuild_source set fence = pg_snapshot_xmax(pg_current_snapshot()) where rebuild_id = :rebuild_id
""")
# Who appends holds this lock until its transaction ends. The oldest running transaction (xmin) would say it,
# too, but for the whole cluster: another database's DROP, stuck for 60 s, held rebuilds up.
_IS_SETTLED = text("""
select not exists (
    select from pg_locks appends
    join pg_locks own using (virtualtransaction)
    where appends.locktype = 'relation' and appends.mode = 'RowExclusiveLock'
    and appends.relation = 'outbox_event'::regclass
    and appends.database = (select oid from pg_database where datname = current_database())
    and own.locktype = 'transactionid' and own.granted and own.mode = 'ExclusiveLock'
    and age(own.transactionid) > age(r.fence::xid)
)
from rebuild_source r where r.rebuild_id = :rebuild_id
""")
# Of what history holds, a scheduled event is a timer and not a state (and may have been cancelled), and a
# blocked aggregate cannot be put on the wire.
_WANTED = f"""
e.event_type = any(cast(:types as text[])) and not jsonb_exists(e.headers, '{h.DUE_AT}')
and not exists (
    select from outbox_blocked b
    where b.agg_type = e.agg_type and b.agg_id = e.agg_id and b.from_version <= e.agg_version
)
"""
_SUM_UP = text(f"""
with wanted as (
    select e.agg_type, e.agg_id, count(*) as events,
           max(array[coalesce(e.headers ->> '{h.EPOCH}', '0')::bigint, e.agg_version]) as top
    from outbox_event e where e.id <= :last_id and {_WANTED} group by e.agg_type, e.agg_id
), n as (select agg_type, agg_id, top[1] as epoch, top[2] as version, events from wanted)
update rebuild_source set (total, aggregates, checksum) = (
    select coalesce(sum(n.events), 0), count(*), {CHECKSUM.format("n")} from n
) where rebuild_id = :rebuild_id
""")  # noqa: S608 - constants of this package
_FETCH = text(f"""
select {ROW_COLUMNS} from outbox_event e
where e.id > :position and e.id <= :last_id and {_WANTED} order by e.id limit :limit
""")  # noqa: S608 - as above
_MOVE = text("""
update rebuild_source set position = :position, sent = sent + :count,
    next_at = greatest(next_at, clock_timestamp() - interval '1 second') + :pause * interval '1 second',
    told_at = case when :told then clock_timestamp() else told_at end
where rebuild_id = :rebuild_id
""")

_log = get_logger(__name__)


class RebuildSource:
    """Sends what the rebuilds under way want of this service, a batch at a time."""

    def __init__(
        self,
        service: str,
        deps: HasDatabase,
        *,
        publisher: Publisher,
        looking: BrokerConnection,
        snapshots: Snapshots,
    ) -> None:
        self._service = service
        self._deps = deps
        self._publisher = publisher
        self._looking = looking
        self._snapshots = snapshots

    async def run(self) -> None:
        """Work until cancelled; every failure is waited out."""
        while True:
            pause = _IDLE_SECONDS
            try:
                with only_own_cancellation():
                    pause = await self.step()
            except (DBAPIError, *BROKER_ERRORS) as error:
                _log.warning("rebuild source waits", error=repr(error), seconds=pause)
            except Exception as error:  # noqa: BLE001 - the boundary: one rebuild must not end the worker
                capture(error, kind="rebuild", service=self._service)
            await asyncio.sleep(pause)

    async def step(self) -> float:
        """Take the rebuild that is due one step further; returns the seconds until one is due again."""
        async with self._deps.db.transaction() as tx:
            source = (await tx.session.execute(_CLAIM)).mappings().first()
            if source is None:
                seconds = await tx.session.scalar(_UNTIL_NEXT)
                return (
                    min(max(float(seconds), 0.005), _IDLE_SECONDS) if seconds is not None else _IDLE_SECONDS
                )
            await self._advance(tx, source)
        return 0.0

    async def _advance(self, tx: Transaction, source: RowMapping) -> None:
        session, known = tx.session, {"rebuild_id": source["rebuild_id"]}
        match source["state"]:
            case "restating":
                await self._restate(source["event_types"])
                await _set_state(session, source, "bounding")
            case "bounding":
                await session.execute(_BOUND, known)
                await _set_state(session, source, "fencing", wait=0.2)
            case "fencing":
                # An id is drawn a moment before its transaction is visible as one: hence the wait before.
                await session.execute(_FENCE, known)
                await _set_state(session, source, "waiting")
            case "waiting":
                await self._wait_for_writers(session, source)
            case _:
                await self._stream(tx, source)

    async def _restate(self, event_types: Sequence[str]) -> None:
        for event, snapshot in self._snapshots.items():
            if event.type in event_types:
                await restate(self._deps.db, self._deps, snapshot, event_types)

    @staticmethod
    async def _wait_for_writers(session: AsyncSession, source: RowMapping) -> None:
        """Begin once every transaction that may still write at or below the last id has ended.

        From then on that part of the log cannot change, so what is streamed and what is summed up agree.
        """
        if not await session.scalar(_IS_SETTLED, {"rebuild_id": source["rebuild_id"]}):
            await _set_state(session, source, "waiting", wait=0.2)
            return
        values = {"last_id": source["last_id"], "types": source["event_types"]}
        await session.execute(_SUM_UP, {**values, "rebuild_id": source["rebuild_id"]})
        await _set_state(session, source, "streaming")

    async def _stream(self, tx: Transaction, source: RowMapping) -> None:
        if await self._waiting_in(source["consumer"]) > _CROWDED:
            await _set_state(tx.session, source, "streaming", wait=0.2)
            return
        rows = await _fetch(tx.session, source)
        if not rows:
            await self._finish(tx, source)
            return
        await self._send([to_reader(row, source["consumer"], source["rebuild_id"]) for row in rows])
        fault_point(AFTER_CONFIRMS)
        await tx.session.execute(
            _MOVE,
            {
                "rebuild_id": source["rebuild_id"],
                "position": rows[-1].id,
                "count": len(rows),
                "pause": len(rows) / source["rate"],
                "told": source["is_to_be_told"],
            },
        )
        if source["is_to_be_told"]:
            await self._tell(tx, source, source["sent"] + len(rows))

    async def _send(self, messages: Sequence[Outgoing]) -> None:
        outcomes = await self._publisher.publish(messages)
        refused = [outcome.name for outcome in outcomes if outcome is not Confirmation.CONFIRMED]
        if refused:
            raise Refused(
                f"{len(refused)} of {len(messages)} to the reader: {', '.join(sorted(set(refused)))}"
            )

    async def _waiting_in(self, queue: str) -> int:
        connection = await self._looking.get()
        async with connection.channel() as channel:
            declared = await channel.declare_queue(queue, passive=True)
        return int(declared.declaration_result.message_count or 0)

    async def _finish(self, tx: Transaction, source: RowMapping) -> None:
        await self._tell(tx, source, source["sent"])
        streamed = RebuildStreamed(
            rebuild_id=source["rebuild_id"],
            consumer=source["consumer"],
            service=self._service,
            events=source["total"],
            aggregates=source["aggregates"],
            checksum=source["checksum"],
            streamed_at=datetime.now(UTC),
        )
        await tx.publish(streamed, version=NO_ORDER)
        await _set_state(tx.session, source, "streamed")
        _log.info("rebuild streamed", consumer=source["consumer"], events=source["sent"])

    async def _tell(self, tx: Transaction, source: RowMapping, sent: int) -> None:
        progressed = RebuildProgressed(
            rebuild_id=source["rebuild_id"], service=self._service, sent=sent, total=source["total"]
        )
        await tx.publish(progressed, version=NO_ORDER)


async def _set_state(session: AsyncSession, source: RowMapping, state: str, *, wait: float = 0) -> None:
    values: dict[str, Any] = {"rebuild_id": source["rebuild_id"], "state": state, "wait": wait}
    await session.execute(_SET_STATE, values)


async def _fetch(session: AsyncSession, source: RowMapping) -> list[OutboxRow]:
    limit = min(max(source["rate"] // _BATCHES_A_SECOND, 1), _BATCH)
    values = {"position": source["position"], "last_id": source["last_id"], "types": source["event_types"]}
    rows = await session.execute(_FETCH, {**values, "limit": limit})
    return [OutboxRow(**row) for row in rows.mappings()]


def to_reader(row: OutboxRow, consumer: str, rebuild_id: UUID) -> Outgoing:
    """The event as it was sent, for one reader's queue, marked with the rebuild."""
    marked = row._replace(headers=row.headers | {h.REBUILD_ID: str(rebuild_id)})
    return to_message(marked)._replace(exchange="", routing_key=consumer)

"""The owner's answers, from its log."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from ..db import Database
from ..ids import new_id
from ..messaging import headers as h
from ..messaging.publisher import Confirmation, Publisher, Refused
from ..messaging.subscriptions import service_of
from ..observability.logging import get_logger
from ..observability.metrics import RESENT
from ..outbox.message import to_message
from ..outbox.store import ROW_COLUMNS, OutboxRow
from .protocol import CatchUp, CaughtUp, Claim, Claims, ClaimsSettled

#: Events in one page of what a reader has forgotten.
PAGE = 500
#: An arbitrary number that answering workers lock, so that an aggregate is restated once for all its readers.
_LOCK = 7_406_114_307

_TAKE_TURNS = text("select pg_advisory_xact_lock(:key)")
_UNKNOWN = text("""
select c.agg_type, c.agg_id, c.event_id
from unnest(cast(:types as text[]), cast(:ids as text[]), cast(:events as uuid[]))
as c (agg_type, agg_id, event_id)
where not exists (
    select from outbox_event e
    where e.agg_type = c.agg_type and e.agg_id = c.agg_id and e.event_id = c.event_id
)
""")
_NEWEST = text(f"""
select e.id, exists (
    select from outbox_blocked b where b.agg_type = e.agg_type and b.agg_id = e.agg_id
) as is_blocked
from outbox_event e
where e.agg_type = :aggregate and e.agg_id = :subject and e.event_type = any(cast(:types as text[]))
  and not jsonb_exists(e.headers, '{h.DUE_AT}')
order by e.agg_version desc, e.id desc limit 1
""")  # noqa: S608 - a constant of this package
# The same event under another id and in the new epoch: inbox and gate let it pass, and a rebuild finds in
# the log what readers stand at. When it happened and what it belongs to is as it was.
_RESTATE = text(f"""
insert into outbox_event (
    shard, event_id, agg_type, agg_id, agg_version, event_type, schema_major, headers, payload
)
select e.shard, :event_id, e.agg_type, e.agg_id, e.agg_version, e.event_type, e.schema_major,
       jsonb_build_object(
           '{h.CE_TIME}', to_char(e.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           '{h.CE_CORRELATION}', e.event_id::text
       ) || e.headers || jsonb_build_object(
           '{h.CE_ID}', cast(:event_id as text), '{h.EPOCH}', o.epoch, '{h.RESTATED}', 'yes'
       ),
       e.payload
from outbox_event e, outbox_epoch o
where e.id = :id and coalesce((e.headers ->> '{h.EPOCH}')::integer, 0) < o.epoch
returning id
""")  # noqa: S608 - as above
_ROW = text(f"select {ROW_COLUMNS} from outbox_event e where e.id = :id")  # noqa: S608 - as above
# What was restated was said to single readers; what is scheduled, to nobody yet.
_PAGE = text(f"""
select {ROW_COLUMNS} from outbox_event e
where e.id > :position and e.id <= :until and e.event_type = any(cast(:types as text[]))
  and not jsonb_exists(e.headers, '{h.RESTATED}')
  and not exists (select from outbox_scheduled s where s.id = e.id)
  and not exists (select from outbox_blocked b where b.agg_type = e.agg_type and b.agg_id = e.agg_id)
order by e.id limit :limit
""")  # noqa: S608 - as above
_ENDS = text("select coalesce(min(id), 1) as first, coalesce(max(id), 0) as last from outbox_event")
_AT = text("select created_at from outbox_event where id >= :id order by id limit 1")

_log = get_logger(__name__)


class ForkOwner:
    """Answers for one service's log; raises `BROKER_ERRORS` and what the database raises."""

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher

    async def settle(self, asked: Claims) -> None:
        """Say which events are known, and how the aggregates of all others stand."""
        unknown, orphans, rows = set(), [], []
        async with self._database.transaction() as tx:
            await tx.session.execute(_TAKE_TURNS, {"key": _LOCK})
            for claim in await _unknown(tx.session, asked.claims):
                unknown.add(claim)
                newest = await _newest(tx.session, claim, asked.types)
                if newest is None:
                    orphans.append(claim)
                elif not newest["is_blocked"]:
                    rows.append(await _restated(tx.session, newest["id"]))
        # Not before the commit: the reader would stand at an event that is nowhere, once more.
        await self._send(asked.consumer, rows)
        known = tuple(claim for claim in asked.claims if claim not in unknown)
        settled = ClaimsSettled(consumer=asked.consumer, known=known, orphans=tuple(orphans))
        await self._publisher.publish_one(settled.to(service_of(asked.consumer)))
        if unknown:
            _log.error(
                "a reader holds what is not in the log",
                consumer=asked.consumer,
                sent=len(rows),
                orphans=len(orphans),
            )

    async def send_page(self, asked: CatchUp) -> None:
        """Send a page of what was appended since a moment; what the reader knows it passes over."""
        async with self._database.read() as session:
            position, until = asked.position, asked.until
            if until is None:
                position, until = await _begin(session, asked)
            values = {"position": position, "until": until, "types": list(asked.types), "limit": PAGE}
            rows = [OutboxRow(*row) for row in await session.execute(_PAGE, values)]
        await self._send(asked.consumer, rows)
        answer = CaughtUp(
            consumer=asked.consumer,
            owner=asked.owner,
            since=asked.since,
            asked=asked.position,
            position=rows[-1].id if len(rows) == PAGE else until,
            until=until,
        )
        await self._publisher.publish_one(answer.to(service_of(asked.consumer)))
        _log.info("sent again to a reader that was set back", consumer=asked.consumer, events=len(rows))

    async def _send(self, consumer: str, rows: Sequence[OutboxRow]) -> None:
        messages = [to_message(row)._replace(exchange="", routing_key=consumer) for row in rows]
        confirmed = (await self._publisher.publish(messages)).count(Confirmation.CONFIRMED)
        RESENT.labels(consumer).inc(confirmed)
        if confirmed < len(messages):
            raise Refused(f"{len(messages) - confirmed} of {len(messages)} events to {consumer}")


async def _unknown(session: AsyncSession, claims: Sequence[Claim]) -> list[Claim]:
    values = {
        "types": [claim.aggregate for claim in claims],
        "ids": [claim.subject for claim in claims],
        "events": [claim.event_id for claim in claims],
    }
    rows = await session.execute(_UNKNOWN, values)
    return [Claim(aggregate=row.agg_type, subject=row.agg_id, event_id=row.event_id) for row in rows]


async def _newest(session: AsyncSession, claim: Claim, types: Sequence[str]) -> RowMapping | None:
    values = {"aggregate": claim.aggregate, "subject": claim.subject, "types": list(types)}
    return (await session.execute(_NEWEST, values)).mappings().first()


async def _restated(session: AsyncSession, event: int) -> OutboxRow:
    """The event in the present epoch: it itself, if it is of that, or its copy."""
    copy = await session.scalar(_RESTATE, {"id": event, "event_id": new_id()})
    row = (await session.execute(_ROW, {"id": event if copy is None else copy})).one()
    return OutboxRow(*row)


async def _begin(session: AsyncSession, asked: CatchUp) -> tuple[int, int]:
    """Behind which id to begin, and where to end; times grow along the log, which has no index of them."""
    ends = (await session.execute(_ENDS)).one()
    low, high = ends.first, ends.last + 1
    while low < high:
        middle = (low + high) // 2
        at = await session.scalar(_AT, {"id": middle})
        if at is not None and at < asked.since:
            low = middle + 1
        else:
            high = middle
    return low - 1, ends.last

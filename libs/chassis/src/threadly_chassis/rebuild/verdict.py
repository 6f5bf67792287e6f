"""The reader's verdict: whether it has applied exactly what its owners say they have."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from threadly_contracts.operations import RebuildApplied, RebuildShare

from ..db import Database, Transaction
from ..observability.logging import get_logger
from .checksum import CHECKSUM
from .control import NO_ORDER

_IDLE_SECONDS = 1.0
_COMPARING_SECONDS = 0.25

_READY = text("""
select r.rebuild_id from rebuild_reader r where r.state = 'running'
and not exists (select from rebuild_share s where s.rebuild_id = r.rebuild_id and s.streamed_at is null)
order by r.begun_at
""")
_CLAIM = text("""
select rebuild_id, consumer, begun_at from rebuild_reader
where rebuild_id = :rebuild_id and state = 'running' for update skip locked
""")
#: What the stream was last moved by came here after the rebuild had begun.
_MOVED_SINCE = """
exists (
    select from inbox i where i.consumer = t.consumer and i.event_id = t.last_event_id
    and i.applied_at >= r.begun_at
)
"""
_SHARES = text(f"""
select s.owner as service, s.aggregates as expected_aggregates, s.checksum as expected_checksum,
       count(a.agg_id) as applied_aggregates, {CHECKSUM.format("a")} as applied_checksum,
       count(a.agg_id) filter (where not a.handled and not exists (
           select from inbox_stream t where t.consumer = r.consumer and t.agg_type = a.agg_type
           and t.agg_id = a.agg_id and (t.epoch, t.version) > (a.epoch, a.version) and {_MOVED_SINCE}
       )) as not_handled,
       (select count(*) from inbox_stream t
        where t.consumer = r.consumer and t.version >= 0 and t.agg_type = any(s.aggregate_types)
        and not exists (
            select from rebuild_applied x where x.rebuild_id = r.rebuild_id and x.owner = s.owner
            and x.agg_type = t.agg_type and x.agg_id = t.agg_id
        ) and not {_MOVED_SINCE}) as unknown_to_owner
from rebuild_reader r join rebuild_share s using (rebuild_id)
left join rebuild_applied a on a.rebuild_id = s.rebuild_id and a.owner = s.owner
where r.rebuild_id = :rebuild_id
group by r.rebuild_id, s.rebuild_id, s.owner order by s.owner
""")  # noqa: S608 - constants of this package
_PATIENCE_IS_OVER = text("""
select greatest(
    begun_at,
    (select max(streamed_at) from rebuild_share s where s.rebuild_id = r.rebuild_id),
    (select max(noted_at) from rebuild_applied a where a.rebuild_id = r.rebuild_id)
) + patience_seconds * interval '1 second' < clock_timestamp()
from rebuild_reader r where rebuild_id = :rebuild_id
""")
_END = text("""
update rebuild_reader set state = :state, ended_at = clock_timestamp() where rebuild_id = :rebuild_id
""")
_FORGET = text("delete from rebuild_applied where rebuild_id = :rebuild_id")

_log = get_logger(__name__)


def is_equal(share: RebuildShare) -> bool:
    """Whether the reader has applied one owner's aggregates, all of them, and none besides."""
    return (
        (share.applied_aggregates, share.applied_checksum)
        == (share.expected_aggregates, share.expected_checksum)
        and not share.not_handled
        and not share.unknown_to_owner
    )


class RebuildVerdicts:
    """Compares, once every owner has sent its share, until all is applied or nothing more comes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def run(self) -> None:
        """Compare until cancelled; every failure is waited out."""
        while True:
            pause = _IDLE_SECONDS
            try:
                if await self.compare():
                    pause = _COMPARING_SECONDS
            except Exception as error:  # noqa: BLE001 - a database that is away must not end the worker
                _log.warning("rebuild not compared", error=repr(error), seconds=pause)
            await asyncio.sleep(pause)

    async def compare(self) -> int:
        """Compare every rebuild that all owners have streamed to; returns how many there were."""
        async with self._db.read() as session:
            ready = list(await session.scalars(_READY))
        for rebuild_id in ready:
            async with self._db.transaction() as tx:
                await _compare(tx, rebuild_id)
        return len(ready)


async def _compare(tx: Transaction, rebuild_id: UUID) -> None:
    known = {"rebuild_id": rebuild_id}
    rebuild = (await tx.session.execute(_CLAIM, known)).mappings().first()
    if rebuild is None:
        return
    shares = await _shares(tx.session, rebuild_id)
    all_equal = all(map(is_equal, shares))
    if all_equal or await tx.session.scalar(_PATIENCE_IS_OVER, known):
        await _end(tx, rebuild, shares, all_equal=all_equal)


async def _shares(session: AsyncSession, rebuild_id: UUID) -> tuple[RebuildShare, ...]:
    rows = await session.execute(_SHARES, {"rebuild_id": rebuild_id})
    return tuple(RebuildShare.model_validate(dict(row)) for row in rows.mappings())


async def _end(
    tx: Transaction, rebuild: RowMapping, shares: tuple[RebuildShare, ...], *, all_equal: bool
) -> None:
    known = {"rebuild_id": rebuild["rebuild_id"]}
    await tx.session.execute(_END, {**known, "state": "equal" if all_equal else "different"})
    await tx.session.execute(_FORGET, known)
    applied = RebuildApplied(
        rebuild_id=rebuild["rebuild_id"],
        consumer=rebuild["consumer"],
        is_equal=all_equal,
        shares=shares,
        applied_at=datetime.now(UTC),
    )
    await tx.publish(applied, version=NO_ORDER)
    _log.info("rebuild compared", consumer=rebuild["consumer"], equal=all_equal)

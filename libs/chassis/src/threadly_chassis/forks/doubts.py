"""When an owner begins an epoch, its readers doubt what they have applied of its events since the fork."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from sqlalchemy import text

from threadly_contracts.operations import EpochBegun

from ..ids import first_id_at
from ..messaging.context import Context
from ..messaging.forked import is_shared
from ..messaging.subscriptions import AnyConsumer, Consumer, Gate
from ..observability.logging import get_logger

# Who applies events holds this table's lock until its transaction ends: so an event of the old epoch is
# either found here, or finds what is written here when it is saved (`messaging.inbox`).
_LOCK = text("lock table inbox_stream in share mode")
_DOUBT = text("""
insert into inbox_epoch as e (consumer, agg_type, owner, epoch, since)
select :consumer, unnest(cast(:aggregates as text[])), :owner, :epoch, :since
on conflict (consumer, agg_type) do update
set owner = excluded.owner, epoch = excluded.epoch, since = least(e.since, excluded.since)
where e.epoch < excluded.epoch
""")
_CLAIM = text("""
insert into inbox_claim (consumer, agg_type, agg_id, event_id, owner)
select consumer, agg_type, agg_id, last_event_id, :owner from inbox_stream
where consumer = :consumer and agg_type = any(cast(:aggregates as text[]))
  and last_event_id >= :since and epoch < :epoch
on conflict (consumer, agg_type, agg_id) do update
set event_id = excluded.event_id, is_orphan = false, asked_at = null
""")

_log = get_logger(__name__)


def aggregates_of(consumer: AnyConsumer, owner: str) -> list[str]:
    """The kinds of aggregates of one owner that a consumer hears of."""
    mine = (event for event in consumer.handlers if event.owner() == owner and not is_shared(event))
    return sorted({event.aggregate for event in mine})


def doubting(consumers: Iterable[AnyConsumer]) -> Callable[[Any, Context[Any]], Awaitable[None]]:
    """The handler that makes these consumers doubt an owner that began an epoch."""
    latest = [each for each in consumers if isinstance(each, Consumer) and each.gate is Gate.LATEST]

    async def doubt(event: EpochBegun, context: Context[Any]) -> None:
        session = context.tx.session
        readers = [(each.name, aggregates_of(each, event.service)) for each in latest]
        if not any(aggregates for _, aggregates in readers):
            return
        await session.execute(_LOCK)
        for name, aggregates in readers:
            doubted = {
                "consumer": name,
                "aggregates": aggregates,
                "owner": event.service,
                "epoch": event.epoch,
                "since": first_id_at(event.since),
            }
            await session.execute(_DOUBT, doubted)
            await session.execute(_CLAIM, doubted)
        _log.warning("an owner began an epoch", owner=event.service, epoch=event.epoch)

    return doubt

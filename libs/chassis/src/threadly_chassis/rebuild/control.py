"""The consumer that every worker has besides its own: it begins and ends rebuilds, and hears of forks.

`<service>.rebuild-control` is a consumer like any other, with its inbox, wait queues and dead letters.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from threadly_contracts import owner_of
from threadly_contracts.operations import (
    EpochBegun,
    RebuildAbandoned,
    RebuildBegun,
    RebuildRefused,
    RebuildRequested,
    RebuildStreamed,
)

from ..forks.doubts import doubting
from ..messaging.context import Context
from ..messaging.subscriptions import AnyConsumer, Consumer, Subscriptions, service_of

#: What several services say of one rebuild has no common counter, and no reader of it has a gate.
NO_ORDER = 1

_BEGIN = text(
    "insert into rebuild_reader (rebuild_id, consumer, state, patience_seconds) "
    "values (:rebuild_id, :consumer, 'running', :patience) on conflict do nothing "
    "returning begun_at"
)
_RUNNING = text("select rebuild_id from rebuild_reader where consumer = :consumer and state = 'running'")
_EXPECT = text(
    "insert into rebuild_share (rebuild_id, owner, aggregate_types) values (:rebuild_id, :owner, :types)"
)
_OPEN_SOURCE = text(
    "insert into rebuild_source (rebuild_id, consumer, event_types, rate) "
    "values (:rebuild_id, :consumer, :types, :rate) on conflict do nothing"
)
_TAKE_SHARE = text(
    "update rebuild_share set events = :events, aggregates = :aggregates, checksum = :checksum, "
    "streamed_at = clock_timestamp() where rebuild_id = :rebuild_id and owner = :owner"
)
_ABANDON = (
    # Kept also when it was not known yet: a request that comes later, out of a wait queue, begins nothing.
    text(
        "insert into rebuild_reader (rebuild_id, consumer, state, patience_seconds, ended_at) "
        "values (:rebuild_id, :consumer, 'abandoned', 0, clock_timestamp()) "
        "on conflict (rebuild_id) do update set state = 'abandoned', ended_at = clock_timestamp() "
        "where rebuild_reader.state = 'running'"
    ),
    text("delete from rebuild_applied where rebuild_id = :rebuild_id"),
)
_STOP_SOURCE = text(
    "update rebuild_source set state = 'abandoned' where rebuild_id = :rebuild_id and state <> 'streamed'"
)


def with_rebuild_control(table: Subscriptions) -> Subscriptions:
    """The service's table with the consumer that answers to rebuilds."""
    control = _Control(table)
    consumer = Consumer(
        f"{table.service}.rebuild-control",
        handlers={
            RebuildRequested: control.begin,
            RebuildBegun: control.open_source,
            RebuildStreamed: control.take_share,
            RebuildAbandoned: control.abandon,
            EpochBegun: doubting(table),
        },
        lanes=1,
    )
    return Subscriptions(table.service, *table, consumer)


class _Control:
    def __init__(self, table: Subscriptions) -> None:
        self._service = table.service
        self._consumers = {consumer.name: consumer for consumer in table}

    async def begin(self, event: RebuildRequested, context: Context[Any]) -> None:
        """Begin a rebuild of a reader of ours, or say why not."""
        if service_of(event.consumer) != self._service:
            return
        consumer = self._consumers.get(event.consumer)
        reason = self._refusal(consumer, event)
        if consumer is not None and reason is None:
            reason = await self._begin(consumer, event, context)
        if reason is not None:
            refused = RebuildRefused(
                rebuild_id=event.rebuild_id,
                consumer=event.consumer,
                reason=reason,
                refused_at=context.occurred_at,
            )
            await context.tx.publish(refused, version=NO_ORDER)

    def _refusal(self, consumer: AnyConsumer | None, event: RebuildRequested) -> str | None:
        if consumer is None:
            return f"{self._service} has no consumer of this name"
        if not consumer.rebuildable:
            return "it is not rebuildable: applying its events again could repeat an effect"
        owners = {owner_of(event_type) for event_type in consumer.event_types}
        strangers = sorted(set(event.owners) - owners)
        if strangers:
            return f"{', '.join(strangers)} owns nothing it listens to; {', '.join(sorted(owners))} does"
        return None

    @staticmethod
    async def _begin(consumer: AnyConsumer, event: RebuildRequested, context: Context[Any]) -> str | None:
        session = context.tx.session
        values = {
            "rebuild_id": event.rebuild_id,
            "consumer": consumer.name,
            "patience": event.patience_seconds,
        }
        if (await session.execute(_BEGIN, values)).first() is None:
            running = await session.scalar(_RUNNING, {"consumer": consumer.name})
            # None: this very one was abandoned before it came here.
            return f"rebuild {running} of it is under way" if running else None
        owners = await _expect(session, consumer, event)
        begun = RebuildBegun(
            rebuild_id=event.rebuild_id,
            consumer=consumer.name,
            owners=owners,
            event_types=tuple(t for t in consumer.event_types if owner_of(t) in owners),
            rate=event.rate,
            begun_at=context.occurred_at,
        )
        await context.tx.publish(begun, version=NO_ORDER)
        return None

    async def open_source(self, event: RebuildBegun, context: Context[Any]) -> None:
        """Put our history on the way to the reader; the worker's source takes it from there."""
        if self._service in event.owners:
            values = {
                "rebuild_id": event.rebuild_id,
                "consumer": event.consumer,
                "types": [each for each in event.event_types if owner_of(each) == self._service],
                "rate": event.rate,
            }
            await context.tx.session.execute(_OPEN_SOURCE, values)

    async def take_share(self, event: RebuildStreamed, context: Context[Any]) -> None:
        """Keep what an owner says it has sent, to compare; a rebuild that is not ours has no such row."""
        values = event.model_dump(include={"rebuild_id", "events", "aggregates", "checksum"})
        await context.tx.session.execute(_TAKE_SHARE, {**values, "owner": event.service})

    async def abandon(self, event: RebuildAbandoned, context: Context[Any]) -> None:
        """Stop waiting as the reader, stop sending as an owner."""
        known: dict[str, UUID | str] = {"rebuild_id": event.rebuild_id}
        if service_of(event.consumer) == self._service:
            known["consumer"] = event.consumer
            for statement in _ABANDON:
                await context.tx.session.execute(statement, known)
        await context.tx.session.execute(_STOP_SOURCE, known)


async def _expect(session: AsyncSession, consumer: AnyConsumer, event: RebuildRequested) -> tuple[str, ...]:
    """Note from which owners a share is expected, and of which aggregates."""
    aggregates: dict[str, set[str]] = {}
    for handled in consumer.handlers:
        if not event.owners or handled.owner() in event.owners:
            aggregates.setdefault(handled.owner(), set()).add(handled.aggregate)
    for owner, types in sorted(aggregates.items()):
        row = {"rebuild_id": event.rebuild_id, "owner": owner, "types": sorted(types)}
        await session.execute(_EXPECT, row)
    return tuple(sorted(aggregates))

"""When operators give up the head of a strict stream, its consumer goes on behind it."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from threadly_contracts.operations import DeadLetterDiscarded

from ..observability.logging import get_logger
from .context import Context
from .streams import skip_head
from .subscriptions import Consumer, Gate, Subscriptions

_log = get_logger(__name__)


def skipping(consumers: Collection[str]) -> Callable[[Any, Context[Any]], Awaitable[None]]:
    """The handler that lets these consumers' streams go on behind a discarded head."""

    async def skip_discarded(event: DeadLetterDiscarded, context: Context[Any]) -> None:
        if event.consumer in consumers:
            _log.warning("dead letter given up", consumer=event.consumer, event_id=str(event.event_id))
            await skip_head(context.tx.session, event.consumer, event.event_id)

    return skip_discarded


def with_discards(table: Subscriptions) -> Subscriptions:
    """The service's table with the consumer that hears of discards, if it has a strict reader."""
    strict = {each.name for each in table if isinstance(each, Consumer) and each.gate is Gate.STRICT}
    if not strict:
        return table
    discards = Consumer(
        f"{table.service}.discards", handlers={DeadLetterDiscarded: skipping(strict)}, lanes=1
    )
    return Subscriptions(table.service, *table, discards)

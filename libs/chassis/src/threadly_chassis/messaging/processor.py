"""Takes deliveries to their ends: tries, and the failure way for those whose tries fail.

A batch that fails is rolled back and done again one by one, so that only the guilty message goes the failure
way and its neighbours are applied.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from ..errors import Permanent, Retryable
from ..observability.errors import capture
from ..observability.logging import get_logger
from ..observability.metrics import CONSUMED
from .dead_letters import RETRIES_EXHAUSTED, FailureWay, reason_of
from .delivery import Delivery, Received, read
from .fault_points import CONSUMER_AFTER_COMMIT, CONSUMER_AFTER_REPUBLISH, fault_point
from .faults import FaultSwitch
from .handling import Handling
from .outcome import Outcome, outcome_of
from .publisher import Publisher, Refused, Unencodable
from .subscriptions import AnyConsumer, Consumer

#: Tries in this process for a local hiccup (deadlock, lock timeout) before the ladder.
_LOCAL_TRIES = 3
_LOCAL_WAIT = (0.05, 1.0)

_log = get_logger(__name__)


class DatabaseAway(Exception):
    """The service's database does not answer: whatever is in hand must wait, not be given up."""


class Processor:
    """One consumer's way from delivery to acknowledgement.

    `settle` acknowledges a delivery, `reject` hands it to the broker's own dead-lettering.
    """

    def __init__(
        self,
        consumer: AnyConsumer,
        *,
        handling: Handling,
        failures: FailureWay,
        publisher: Publisher,
        faults: FaultSwitch,
        settle: Callable[[Sequence[Delivery]], Awaitable[None]],
        reject: Callable[[Delivery], Awaitable[None]],
    ) -> None:
        self._consumer = consumer
        self._handling = handling
        self._failures = failures
        self._publisher = publisher
        self._faults = faults
        self._settle = settle
        self._reject = reject

    async def process(self, pending: list[Delivery]) -> None:
        """Bring every pending delivery to its end, taking each off the list when it is settled.

        Raises `DatabaseAway` with the rest still on the list, or one of `BROKER_ERRORS`.
        """
        if (
            len(pending) > 1
            and isinstance(self._consumer, Consumer)
            and await self._applied_together(pending)
        ):
            fault_point(CONSUMER_AFTER_COMMIT)
            await self._settle(pending)
            pending.clear()
            return
        while pending:
            await self._bring_to_end(pending[0])
            await self._settle([pending[0]])
            del pending[0]

    async def _applied_together(self, batch: Sequence[Delivery]) -> bool:
        try:
            if await self._faults.is_set(self._consumer.name):
                return False
            await self._handling.apply([read(delivery, self._consumer) for delivery in batch])
        except Exception as error:  # whatever it was, each message will meet it alone
            if outcome_of(error) is Outcome.OUTAGE:
                raise DatabaseAway from error
            _log.info("batch broken up", consumer=self._consumer.name, size=len(batch), error=repr(error))
            return False
        return True

    async def _bring_to_end(self, delivery: Delivery) -> None:
        for local_try in range(1, _LOCAL_TRIES + 1):
            try:
                await self._try_once(read(delivery, self._consumer))
            except Exception as error:  # the boundary: outcome_of decides
                outcome = outcome_of(error)
                if outcome is Outcome.OUTAGE:
                    raise DatabaseAway from error
                if outcome is not Outcome.TRY_AGAIN or local_try == _LOCAL_TRIES:
                    await self._give_way(delivery, error, outcome)
                    return
                await asyncio.sleep(random.uniform(*_LOCAL_WAIT))  # noqa: S311 - spreading load, no secret
            else:
                fault_point(CONSUMER_AFTER_COMMIT)
                return

    async def _try_once(self, received: Received) -> None:
        if await self._faults.is_set(self._consumer.name):
            await self._faults.trip(self._consumer.name)
        await self._handling.apply([received])

    async def _give_way(self, delivery: Delivery, error: Exception, outcome: Outcome) -> None:
        step = self._failures.next_step(delivery)
        if outcome is not Outcome.DEAD_LETTER and step is not None:
            if not isinstance(error, Retryable):
                capture(error, kind="consumer", consumer=self._consumer.name, attempt=delivery.attempt)
            await self._publisher.publish_one(self._failures.retry(delivery, step))
            CONSUMED.labels(self._consumer.name, "retry").inc()
            _log.warning(
                "message waits",
                consumer=self._consumer.name,
                message=delivery.message.message_id,
                attempt=delivery.attempt,
                step=step.name,
                error=repr(error),
            )
        else:
            reason = reason_of(error) if isinstance(error, Permanent) else RETRIES_EXHAUSTED
            await self._bury(delivery, error, reason)
        fault_point(CONSUMER_AFTER_REPUBLISH)

    async def _bury(self, delivery: Delivery, error: Exception, reason: str) -> None:
        capture(error, kind="consumer", consumer=self._consumer.name, attempt=delivery.attempt, reason=reason)
        try:
            await self._publisher.publish_one(self._failures.dead_letter(delivery, error, reason))
        except (Refused, Unencodable) as failed:
            # It cannot be put on the wire or was refused: the broker's own dead-lettering takes it, bare.
            _log.error(
                "dead letter goes without its explanation", consumer=self._consumer.name, error=repr(failed)
            )
            await self._reject(delivery)
        CONSUMED.labels(self._consumer.name, "dead").inc()

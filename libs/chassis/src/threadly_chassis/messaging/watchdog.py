"""The liveness watchdog: a consumer that looks healthy and gets nothing is brought back by force.

A broker can cancel a consumer, or a channel can wedge, without an error on this side (celery#9512,
aio-pika#334, rabbitmq-server#17317). So every 15 s each queue's depth is compared with what arrived.

The depth tells only of messages that are ready. RabbitMQ 3.10 was seen to hold messages as delivered that it
never sent: a quorum queue deleted and declared anew at once kept the consumers of the old one, told nobody,
and handed them up to 256 messages each that never left the broker (F27). Only a new subscription gets those,
so one that is quiet is renewed for no other reason than that.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

from ..observability.logging import get_logger
from ..tasks import only_own_cancellation
from .connection import BROKER_ERRORS, BrokerConnection
from .consumer import ConsumerRunner

_INTERVAL = 15.0
#: Seconds without a delivery and with nothing in hand after which a subscription is looked at; with the
#: interval that is a minute.
STUCK_SECONDS = 45.0
_DROP_CONNECTION_AT = 2
_GIVE_UP_AT = 3

_log = get_logger(__name__)


class ConsumerStuck(RuntimeError):
    """Re-subscribing and reconnecting did not help: only a new process can."""


class Watchdog:
    """Watches the consumers of one worker; `run` raises `ConsumerStuck` as its last remedy."""

    def __init__(
        self,
        runners: Sequence[ConsumerRunner],
        connection: BrokerConnection,
        *,
        interval: float = _INTERVAL,
        stuck_seconds: float = STUCK_SECONDS,
    ) -> None:
        self._runners = runners
        self._connection = connection
        self._interval = interval
        self._stuck_seconds = stuck_seconds
        self._strikes: Counter[str] = Counter()

    async def run(self) -> None:
        """Look at every consumer, again and again."""
        while True:
            await asyncio.sleep(self._interval)
            for runner in self._runners:
                try:
                    with only_own_cancellation():
                        await self._look_at(runner)
                except BROKER_ERRORS as error:
                    _log.info("watchdog cannot look", consumer=runner.consumer.name, error=repr(error))

    async def _look_at(self, runner: ConsumerRunner) -> None:
        name, session = runner.consumer.name, runner.session
        if session is None or len(session.window):
            return
        silent = asyncio.get_running_loop().time() - session.last_delivery_at
        if silent < self._stuck_seconds:
            return
        if not await self._depth(name):
            self._strikes[name] = 0
            runner.refresh()
            return
        self._strikes[name] += 1
        _log.error("consumer stuck", consumer=name, silent_seconds=round(silent), strike=self._strikes[name])
        if self._strikes[name] >= _GIVE_UP_AT:
            raise ConsumerStuck(f"{name} gets nothing though its queue is not empty")
        if self._strikes[name] >= _DROP_CONNECTION_AT:
            await self._connection.close()
        else:
            runner.resubscribe()

    async def _depth(self, queue: str) -> int:
        connection = await self._connection.get()
        async with connection.channel() as channel:
            declared = await channel.declare_queue(queue, passive=True)
        return int(declared.declaration_result.message_count or 0)

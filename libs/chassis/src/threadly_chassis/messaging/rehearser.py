"""A worker's ear for rehearsals: one at a time, so that they never take more than one connection."""

import contextlib

from aio_pika.abc import AbstractIncomingMessage
from pamqp import commands as spec

from ..ids import new_id
from ..observability.logging import get_logger
from . import headers as h
from .connection import BROKER_ERRORS, BrokerConnection
from .delivery import Delivery
from .listening import ControlListener
from .publisher import Outgoing, Publisher
from .rehearsal import REPLY_TO
from .rehearsing import Rehearsing, refused
from .topology import rehearse_queue

_log = get_logger(__name__)


class Rehearser(ControlListener):
    """Answers requests to rehearse for one service, until it is told to drain."""

    prefetch = 1

    def __init__(
        self, service: str, rehearsing: Rehearsing, connection: BrokerConnection, publisher: Publisher
    ) -> None:
        super().__init__(rehearse_queue(service), connection)
        self._rehearsing = rehearsing
        self._publisher = publisher

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Acknowledge, rehearse, answer: a letter that kills its process is not rehearsed by the next one."""
        with contextlib.suppress(*BROKER_ERRORS):
            await message.ack()
        reply_to, correlation_id = message.reply_to or "", message.correlation_id or ""
        if not reply_to.startswith(f"{REPLY_TO}.") or not correlation_id:
            # Into another queue an answer would be a stranger's message.
            _log.warning("request to rehearse without a way to answer", reply_to=reply_to)
            return
        delivery = Delivery(message)
        consumer = str(delivery.headers.pop(h.REHEARSE, ""))
        if consumer:
            rehearsal = await self._rehearsing.rehearse(consumer, delivery)
        else:
            rehearsal = refused("", "malformed", f"the request has no {h.REHEARSE}")
        _log.info(
            "rehearsed",
            consumer=consumer,
            event_id=str(delivery.headers.get(h.CE_ID)),
            outcome=rehearsal.outcome.value,
            reason=rehearsal.reason,
        )
        await self._answer(reply_to, correlation_id, rehearsal.model_dump_json().encode())

    async def _answer(self, reply_to: str, correlation_id: str, body: bytes) -> None:
        properties = spec.Basic.Properties(
            message_id=str(new_id()), correlation_id=correlation_id, content_type="application/json"
        )
        try:
            # Whether anybody still waits for it is their affair.
            await self._publisher.publish([Outgoing("", reply_to, properties, body)])
        except BROKER_ERRORS as error:
            _log.warning("rehearsal not answered", error=repr(error))

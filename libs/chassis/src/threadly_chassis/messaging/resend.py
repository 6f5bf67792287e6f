"""Sending again from the log: what a strict reader of this service's events says it is missing.

Requests come over `t.control` and are answered at most once: who gets no answer asks again. The answer is
the events themselves, straight into the reader's own queue. Each says from which version on there was nothing
else for that reader (`t-from-version`), so a version that published nothing, or a type it does not handle,
closes no stream for ever. The log decides: a version that is not in it, below one that is, never will be.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from aio_pika.abc import AbstractIncomingMessage
from pydantic import ValidationError
from sqlalchemy import text

from ..db import Database
from ..observability.errors import capture
from ..observability.logging import get_logger
from ..observability.metrics import RESENT
from ..outbox.message import to_message
from ..outbox.store import ROW_COLUMNS, OutboxRow
from . import headers as h
from .connection import BROKER_ERRORS, BrokerConnection
from .gaps import ResendRequest
from .listening import ControlListener
from .publisher import Confirmation, Outgoing, Publisher
from .topology import resend_queue

#: Events in one answer; the reader asks for the rest when it has got so far.
AT_MOST = 500

# What is scheduled and not yet due is not yet said; whatever comes after it has to wait for it. Of a version
# that was restated after a fork the original is meant.
_LOG = text(f"""
select distinct on (e.agg_version) {ROW_COLUMNS},
       exists (select from outbox_scheduled s where s.id = e.id) as is_scheduled
from outbox_event e
where e.agg_type = :aggregate and e.agg_id = :subject and e.agg_version between :first and :last
  and e.event_type = any(cast(:types as text[]))
order by e.agg_version, e.id limit :limit
""")  # noqa: S608 - a constant of the outbox

_log = get_logger(__name__)


def answer(request: ResendRequest, rows: Sequence[OutboxRow]) -> Iterator[Outgoing]:
    """The logged events as the reader gets them: bit for bit, with what each of them covers."""
    expected = request.first
    for row in rows:
        covers = {h.FROM_VERSION: min(expected, row.agg_version)}
        message = to_message(row._replace(headers=row.headers | covers))
        yield message._replace(exchange="", routing_key=request.consumer)
        expected = row.agg_version + 1


class Resender(ControlListener):
    """Answers readers' requests for one service, until it is told to drain.

    `others` are the takers of other kinds of messages that come to its queue, by the message's type.
    """

    def __init__(
        self,
        service: str,
        database: Database,
        connection: BrokerConnection,
        publisher: Publisher,
        others: Mapping[str, Callable[[bytes], Awaitable[None]]] | None = None,
    ) -> None:
        super().__init__(resend_queue(service), connection)
        self._others = others or {}
        self._database = database
        self._publisher = publisher

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Send what is requested, then acknowledge; a request that cannot be answered is reported."""
        try:
            await self._others.get(message.type or "", self._resend)(message.body)
        except ValidationError as error:
            capture(error, kind="resend", queue=self._queue)
        except BROKER_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: the reader asks again
            capture(error, kind="resend", queue=self._queue)
        with contextlib.suppress(*BROKER_ERRORS):
            await message.ack()

    async def _resend(self, body: bytes) -> None:
        await self.send_again(ResendRequest.model_validate_json(body))

    async def send_again(self, request: ResendRequest) -> int:
        """Send the requested events to the reader's queue; returns how many. Raises `BROKER_ERRORS`."""
        messages = list(answer(request, await self._rows(request)))
        confirmed = await self._publisher.publish(messages) if messages else []
        sent = confirmed.count(Confirmation.CONFIRMED)
        RESENT.labels(request.consumer).inc(sent)
        _log.info("sent again", **request.model_dump(exclude={"types"}), found=len(messages), sent=sent)
        return sent

    async def _rows(self, request: ResendRequest) -> list[OutboxRow]:
        rows = []
        async with self._database.read() as session:
            found = await session.execute(
                _LOG, {**request.model_dump(), "types": list(request.types), "limit": AT_MOST}
            )
            for *event, is_scheduled in found:
                if is_scheduled:
                    break
                rows.append(OutboxRow(*event))
        return rows

"""A rehearsal: what applying a letter would do, asked of its consumer and answered by message.

The request is the letter as a replay would send it, and a header that names its consumer. It goes over
`t.control` to whichever worker of the service is free, the answer comes back by RabbitMQ's direct reply-to,
which needs no queue. Both at most once: who gets no answer asks again.
"""

from enum import StrEnum
from uuid import UUID

from pamqp import commands as spec
from pydantic import BaseModel

from . import headers as h
from .gathering import StoredMessage, replay
from .publisher import Outgoing
from .subscriptions import service_of
from .topology import CONTROL_EXCHANGE, rehearse_key

#: The pseudo-queue of direct reply-to; what a worker is told to answer to begins with it.
REPLY_TO = "amq.rabbitmq.reply-to"
#: Events and calls that are named in one answer; a handler that makes thousands is known by a hundred.
AT_MOST = 100


class RehearsalOutcome(StrEnum):
    """How applying a letter would end, by how things stand now."""

    WOULD_APPLY = "would-apply"
    UNFINISHED = "unfinished"
    """It would call outside, and what follows depends on the answer."""
    DUPLICATE = "duplicate"
    STALE = "stale"
    """A newer event of its aggregate was applied: a quiet success."""
    PARKED = "parked"
    """It is not its turn in a strict stream: something before it is missing, or failed."""
    FAILED = "failed"
    """It cannot be read, is refused, or its handler fails; `reason` as a dead letter would have it."""
    BUSY = "busy"
    """Live traffic holds what it needs, or the database is away: ask again."""
    REFUSED = "refused"
    """It cannot be rehearsed; `message` says why."""
    UNANSWERED = "unanswered"
    """No worker of the service has answered."""


class RowsWritten(BaseModel):
    """What would be written to one table; attempts that a handler rolled back itself count as well."""

    table: str
    inserted: int
    updated: int
    deleted: int


class WouldPublish(BaseModel):
    """An event that would be published."""

    type: str
    subject: str
    version: int


class WouldCall(BaseModel):
    """A call that would leave the process: ids, numbers and shapes of its arguments, no texts."""

    port: str
    method: str
    arguments: str


class Rehearsal(BaseModel):
    """What a consumer says of one letter. It holds no other data of the letter's than ids."""

    consumer: str
    outcome: RehearsalOutcome
    reason: str = ""
    """A code: why it failed, is busy or refused, or what it is parked behind."""
    exception: str = ""
    message: str = ""
    fingerprint: str = ""
    """Of the failure, as its dead letter would have it."""
    permanent: bool = False
    """It would be a dead letter at once; other failures are tried again first."""
    rows: tuple[RowsWritten, ...] = ()
    events: tuple[WouldPublish, ...] = ()
    calls: tuple[WouldCall, ...] = ()
    left_out: int = 0
    """Events and calls beyond `AT_MOST` of each."""

    @property
    def is_welcome(self) -> bool:
        """Whether replaying the letter would do what it should, as far as can be known."""
        outcome = RehearsalOutcome
        return self.outcome in {outcome.WOULD_APPLY, outcome.UNFINISHED, outcome.DUPLICATE, outcome.STALE}


def request(message: StoredMessage, *, consumer: str, rehearsal_id: UUID, patience: float) -> Outgoing:
    """Ask for one rehearsal: the letter as a replay would bring it, bit for bit.

    After `patience` seconds in the queue the broker drops it: nobody waits for the answer any more.
    """
    outgoing = replay(message, consumer=consumer, replay_id=rehearsal_id)
    properties: spec.Basic.Properties = outgoing.properties
    properties.headers = {**(properties.headers or {}), h.REHEARSE: consumer}
    properties.reply_to = REPLY_TO
    properties.correlation_id = properties.message_id = str(rehearsal_id)
    properties.expiration = str(int(patience * 1000))
    return outgoing._replace(exchange=CONTROL_EXCHANGE, routing_key=rehearse_key(service_of(consumer)))

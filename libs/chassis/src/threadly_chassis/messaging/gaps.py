"""Gaps in strict streams: the owner is asked for what is missing, then people are told, then they decide."""

from pydantic import BaseModel
from sqlalchemy import text

from threadly_contracts import owner_of

from ..db import Database
from ..errors import Permanent
from ..observability.errors import capture
from ..observability.logging import get_logger
from .connection import BROKER_ERRORS
from .control import control_message
from .dead_letters import FailureWay
from .delivery import Delivery
from .parked import ParkedEvents, WaitingStream
from .publisher import Publisher
from .streams import StreamRules
from .subscriptions import AnyConsumer

#: An owner that did not answer is asked again after so many times `resend_after`.
_ASK_AGAIN = 5

_NOTE = text("""
update inbox_stream set gap_since = coalesce(gap_since, clock_timestamp())
where consumer = :consumer and agg_type = :agg_type and agg_id = :agg_id
  and epoch = :epoch and version = :version and blocked_by is null
returning extract(epoch from clock_timestamp() - gap_since)::float as age,
          extract(epoch from clock_timestamp() - asked_at)::float as asked,
          alerted_at is not null as alerted, gap_head
""")
_MARK = text("""
update inbox_stream set asked_at = case when :ask then clock_timestamp() else asked_at end,
    alerted_at = case when :alert then clock_timestamp() else alerted_at end,
    gap_head = coalesce(cast(:gap_head as uuid), gap_head)
where consumer = :consumer and agg_type = :agg_type and agg_id = :agg_id
""")

_log = get_logger(__name__)


class VersionsMissing(Permanent):
    """Versions of an aggregate never came, though its owner was asked for them.

    The first event behind the gap is shown as a dead letter and stays parked: when the gap closes it is
    applied, and a replay of the letter finds a duplicate. A replay before that goes on over the gap.
    """

    code = "versions-missing"


class ResendRequest(BaseModel):
    """What is asked of an aggregate's owner: these versions, as far as they are of these types."""

    consumer: str
    aggregate: str
    subject: str
    first: int
    last: int
    types: tuple[str, ...]


class GapWatch:
    """Does what is due about the gaps of one consumer's streams."""

    def __init__(
        self,
        consumer: AnyConsumer,
        database: Database,
        publisher: Publisher,
        failures: FailureWay,
        rules: StreamRules,
    ) -> None:
        self._consumer = consumer
        self._database = database
        self._publisher = publisher
        self._failures = failures
        self._rules = rules
        self._parked = ParkedEvents(database, consumer.name)

    async def look_at(self, stream: WaitingStream) -> None:
        """Take the next step for a stream that lacks versions; nothing when it has moved meanwhile.

        Two workers that look at once take turns at the stream's row; the second finds the step taken.
        """
        place = {"consumer": self._consumer.name, "agg_type": stream.key[0], "agg_id": stream.key[1]}
        async with self._database.transaction() as tx:
            now = {"epoch": stream.epoch, "version": stream.version}
            gap = (await tx.session.execute(_NOTE, {**place, **now})).first()
            if gap is None:
                return
            ask = gap.age >= self._rules.resend_after and (
                gap.asked is None or gap.asked >= self._rules.resend_after * _ASK_AGAIN
            )
            alert = gap.age >= self._rules.alert_after and not gap.alerted
            give_up = gap.age >= self._rules.give_up_after and gap.gap_head is None
            if give_up and (first := await self._parked.first(stream)) is not None:
                await self._show(stream, first)
            if ask or alert or give_up:
                steps = {"ask": ask, "alert": alert, "gap_head": stream.event_id if give_up else None}
                await tx.session.execute(_MARK, {**place, **steps})
        if alert:
            capture(_missing(stream), kind="consumer", consumer=self._consumer.name, subject=stream.key[1])
        if ask:
            await self._ask(stream)

    async def _ask(self, stream: WaitingStream) -> None:
        aggregate, subject = stream.key
        types = types_of(self._consumer, aggregate)
        request = ResendRequest(
            consumer=self._consumer.name,
            aggregate=aggregate,
            subject=subject,
            first=stream.version + 1,
            last=stream.next_version,
            types=types,
        )
        _log.warning("asking for missing versions", **request.model_dump())
        owner = owner_of(types[0])
        try:
            await self._publisher.publish_one(control_message(owner, "resend", request.model_dump_json()))
        except BROKER_ERRORS as error:
            # It is asked again: a request needs no care.
            _log.warning("cannot ask for missing versions", owner=owner, error=repr(error))

    async def _show(self, stream: WaitingStream, first: Delivery) -> None:
        error = _missing(stream)
        await self._publisher.publish_one(self._failures.dead_letter(first, error, error.code))


def _missing(stream: WaitingStream) -> VersionsMissing:
    aggregate, subject = stream.key
    lacking = f"{stream.version + 1} to {stream.next_from - 1}"
    return VersionsMissing(f"{aggregate} {subject}: versions {lacking} never came")


def types_of(consumer: AnyConsumer, aggregate: str) -> tuple[str, ...]:
    """The wire types that a consumer can read of one kind of aggregate."""
    readable = {wire_type: consumer.classes_of(wire_type) for wire_type in consumer.event_types}
    return tuple(t for t, classes in readable.items() if classes and classes[1].aggregate == aggregate)

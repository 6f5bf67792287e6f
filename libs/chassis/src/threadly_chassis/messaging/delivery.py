"""Reading a delivered message: first its envelope, then the event in its body."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from aio_pika.abc import AbstractIncomingMessage
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from threadly_contracts import UPCASTERS, Event, UpcastError

from ..errors import Permanent
from . import headers as h
from .incoming import Incoming
from .subscriptions import AnyConsumer


class Undecodable(Permanent):
    """The message cannot be read: its envelope or its body breaks the contract."""

    code = "undecodable"


class UnknownType(Permanent):
    """The message is of a type that its consumer does not handle."""

    code = "unknown-type"


class UnknownMajor(Permanent):
    """The message is of a type that is handled, in a major version that is not."""

    code = "unknown-major"


class Envelope(BaseModel):
    """What the headers say about the event in the body."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    event_id: UUID = Field(alias=h.CE_ID)
    type: str = Field(alias=h.CE_TYPE)
    subject: str = Field(alias=h.CE_SUBJECT)
    occurred_at: datetime = Field(alias=h.CE_TIME)
    aggregate: str = Field(alias=h.AGGREGATE_TYPE)
    version: int = Field(alias=h.AGGREGATE_VERSION)
    epoch: int = Field(0, alias=h.EPOCH)
    correlation_id: str = Field("", alias=h.CE_CORRELATION)
    causation_id: str | None = Field(None, alias=h.CE_CAUSATION)
    attempt: int = Field(1, alias=h.ATTEMPT, ge=1)
    replay_id: UUID | None = Field(None, alias=h.REPLAY_ID)
    from_version: int | None = Field(None, alias=h.FROM_VERSION)
    rebuild_id: UUID | None = Field(None, alias=h.REBUILD_ID)


class Delivery:
    """One message in hand: delivered and not yet acknowledged."""

    __slots__ = ("headers", "message", "tag")

    def __init__(self, message: Incoming | AbstractIncomingMessage) -> None:
        self.message = message
        self.headers: dict[str, Any] = dict(message.headers)
        self.tag = message.delivery_tag or 0

    @property
    def lane_key(self) -> str:
        """What must be handled one after the other: the events of one aggregate."""
        return str(self.headers.get(h.CE_SUBJECT, ""))

    @property
    def attempt(self) -> int:
        """Which try this is; 1 when the header is missing or nonsense."""
        value = self.headers.get(h.ATTEMPT, 1)
        return value if isinstance(value, int) and value >= 1 else 1


@dataclass(frozen=True, slots=True)
class Received:
    """A delivery that could be read."""

    delivery: Delivery
    envelope: Envelope
    event: Event


def read(delivery: Delivery, consumer: AnyConsumer) -> Received:
    """Read a delivery as one of the consumer's events; an older major is lifted to the one it handles.

    Raises `Undecodable`, `UnknownType` or `UnknownMajor`; a reader ignores fields it does not know.
    """
    if h.UNREADABLE in delivery.headers:
        raise Undecodable(f"the headers: {delivery.headers[h.UNREADABLE]}")
    try:
        envelope = Envelope.model_validate(delivery.headers)
    except ValidationError as error:
        raise Undecodable(f"the envelope: {_in_short(error)}") from error
    classes = consumer.classes_of(envelope.type)
    if classes is None:
        if consumer.knows_another_major_of(envelope.type):
            raise UnknownMajor(f"{consumer.name} does not read {envelope.type}")
        raise UnknownType(f"{consumer.name} does not handle {envelope.type}")
    written, wanted = classes
    try:
        event = UPCASTERS.upcast(written.model_validate_json(delivery.message.body), wanted)
    except ValidationError as error:
        raise Undecodable(f"the body of {envelope.type}: {_in_short(error)}") from error
    except UpcastError as error:
        raise Undecodable(str(error)) from error
    return Received(delivery, envelope, event)


def _in_short(error: ValidationError) -> str:
    """Name places and reasons but no values: they may be personal data."""
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)[:10]
    )

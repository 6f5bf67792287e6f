"""What readers and owners ask each other over `t.control`, each to the other's `<service>.resend`."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from ..messaging.control import control_message
from ..messaging.publisher import Outgoing


class Control(BaseModel):
    """A question or an answer; readers ignore what they do not know."""

    model_config = ConfigDict(frozen=True)

    kind: ClassVar[str]

    def to(self, service: str) -> Outgoing:
        """Address it to a service."""
        return control_message(service, self.kind, self.model_dump_json())


class Claim(BaseModel):
    """An event by which a reader holds an aggregate."""

    model_config = ConfigDict(frozen=True)

    aggregate: str
    subject: str
    event_id: UUID


class Claims(Control):
    """A reader asks whether the owner knows these; it handles events of these types."""

    kind = "claims"

    consumer: str
    types: tuple[str, ...]
    claims: tuple[Claim, ...]


class ClaimsSettled(Control):
    """The owner's answer: those that it knows, and those of whose aggregates it has no event at all.

    For all others it has sent how the aggregate stands.
    """

    kind = "claims-settled"

    consumer: str
    known: tuple[Claim, ...]
    orphans: tuple[Claim, ...]


class CatchUp(Control):
    """A reader that was set back asks for what was appended since, in pages: the next one after `position`.

    `until` is what the first page's answer said: what comes later comes by itself.
    """

    kind = "catch-up"

    consumer: str
    owner: str
    types: tuple[str, ...]
    since: datetime
    position: int
    until: int | None


class CaughtUp(Control):
    """The owner has sent the page after `asked`, up to `position`; that was the last one at `until`."""

    kind = "caught-up"

    consumer: str
    owner: str
    since: datetime
    asked: int
    position: int
    until: int

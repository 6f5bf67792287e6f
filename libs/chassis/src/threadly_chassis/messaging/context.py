"""What a handler is told besides the event itself."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import UUID

if TYPE_CHECKING:
    # The database's door imports the outbox, which imports this package's header names.
    from ..db import Transaction

DepsT = TypeVar("DepsT")


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectContext(Generic[DepsT]):
    """The message that a handler of an `EffectConsumer` is handling.

    `version` is the aggregate's version that the event announces, `occurred_at` when it was appended,
    `attempt` 1 on the first try of the ladder.
    """

    deps: DepsT
    event_id: UUID
    version: int
    occurred_at: datetime
    attempt: int
    correlation_id: str
    causation_id: str | None
    replay_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(EffectContext[DepsT]):
    """The same for a handler of a `Consumer`, with the transaction that also marks the event as applied.

    `overrules` says that the event counts whatever version is held: its owner was set back, and does not know
    what was applied before (`Gate.LATEST`). A handler that compares versions by itself must give way to it.
    """

    tx: "Transaction"
    overrules: bool = False

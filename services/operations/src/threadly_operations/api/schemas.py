"""What operations' API says and understands."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, model_validator

from threadly_chassis.http import RequestModel, ResponseModel

from ..domain.replay import DEFAULT_RATE, MAX_RATE, ReplayStatus
from ..domain.status import Status
from ..storage import replays
from ..storage.tables import DeadLetterRow

#: The letter's, as it was seen; another one by now is a 409 `letter_changed`. Without it any is right.
RowVersion = Annotated[int | None, Field(ge=1)]


class DeadLetterView(ResponseModel):
    """A dead letter in a list: everything but the payload and the stack."""

    id: UUID
    consumer: str
    message_key: str
    event_type: str
    aggregate: str
    subject: str
    version: int | None
    status: Status
    reason: str
    exception: str
    message: str
    fingerprint: str
    attempts: int
    occurrences: int
    first_failed_at: datetime | None
    last_failed_at: datetime | None
    trace_id: str
    correlation_id: str
    release: str
    host: str
    created_at: datetime
    row_version: int
    """Moves with whatever happens to the letter; send it back with what you decide from what you saw."""


class DeadLetterDetail(DeadLetterView):
    """A dead letter whole."""

    stack: str
    headers: dict[str, Any]
    body: str

    @classmethod
    def of(cls, row: DeadLetterRow) -> Self:
        """Show a row; a body that is no text is shown with replacement characters."""
        view = DeadLetterView.model_validate(row)
        return cls(
            **view.model_dump(),
            stack=row.stack,
            headers=row.headers,
            body=row.body.decode(errors="replace"),
        )


class GroupView(ResponseModel):
    """Open letters of one consumer that failed in the same way."""

    consumer: str
    fingerprint: str
    reason: str
    exception: str
    count: int
    oldest: datetime


class ReplayRequest(RequestModel):
    """Which letters to replay: by id, or everything open of a consumer or a kind of failure."""

    ids: Annotated[tuple[UUID, ...], Field(max_length=1000)] = ()
    consumer: str | None = None
    fingerprint: str | None = None
    reason: Annotated[str, Field(max_length=500)] = ""
    rate: Annotated[int, Field(ge=1, le=MAX_RATE)] = DEFAULT_RATE
    """Letters a second."""
    dry_run: bool = False
    discarded: bool = False
    """Take those of `ids` that were discarded, too; never of a group."""
    row_version: RowVersion = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not (self.ids or self.consumer or self.fingerprint):
            msg = "name ids, a consumer or a fingerprint"
            raise ValueError(msg)
        if self.discarded and not self.ids:
            msg = "name the ids of discarded letters"
            raise ValueError(msg)
        if self.row_version is not None and len(self.ids) != 1:
            msg = "a row_version belongs to a single id"
            raise ValueError(msg)
        return self


class ReplayView(ResponseModel):
    """What a replay takes along, and how fast."""

    replay_id: UUID
    dead_letter_ids: list[UUID]
    rate: int
    """Letters a second."""
    dry_run: bool


class ReplayProgress(ResponseModel):
    """How a replay stands, and what has become of its letters."""

    id: UUID
    status: ReplayStatus
    rate: int
    """Letters a second."""
    stop_failures: int
    stop_window: int
    """It stops when `stop_failures` of the last `stop_window` letters that were heard of failed again."""
    reason: str
    requested_by: str
    requested_at: datetime
    ended_at: datetime | None
    stopped_because: str
    """Empty unless it stopped."""
    selected: int
    sent: int
    resolved: int
    failed_again: int
    withdrawn: int
    """Letters that were not sent before it stopped; they are what they were before."""

    @classmethod
    def of(cls, view: replays.ReplayView) -> Self:
        """Show a replay with its counts."""
        row = view.replay
        return cls(
            id=row.id,
            status=ReplayStatus(row.status),
            rate=row.rate,
            stop_failures=row.stop_failures,
            stop_window=row.stop_window,
            reason=row.reason,
            requested_by=row.requested_by,
            requested_at=row.requested_at,
            ended_at=row.ended_at,
            stopped_because=row.stopped_because,
            selected=row.selected,
            sent=view.sent,
            resolved=view.resolved,
            failed_again=view.failed_again,
            withdrawn=view.withdrawn,
        )


class DiscardRequest(RequestModel):
    """Why a letter is given up."""

    reason: Annotated[str, Field(max_length=500)]
    row_version: RowVersion = None

"""What operations' API says and understands of edits."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, model_validator

from threadly_chassis.http import RequestModel, ResponseModel

from ..domain.edit import Change, EditStatus
from ..domain.json_body import Kind, differences
from ..storage.edits import EditView

Reason = Annotated[str, Field(max_length=500)]


class EditRequest(RequestModel):
    """A change of a letter's body, and which letter was looked at."""

    row_version: Annotated[int, Field(ge=1)]
    """The letter's, as it was seen; another one by now is a 409 `letter_changed`."""
    patch: dict[str, Any] | None = None
    """A JSON merge patch (RFC 7396): null takes a field away, an array is replaced whole."""
    body: dict[str, Any] | None = None
    """Instead of a patch: the whole body, also of a letter that is no JSON, or to set a field to null."""
    reason: Reason

    @model_validator(mode="after")
    def _is_one_change(self) -> Self:
        if (self.patch is None) == (self.body is None):
            msg = "give either patch or body"
            raise ValueError(msg)
        return self

    @property
    def change(self) -> Change:
        """The change that is meant."""
        if self.body is not None:
            return Change(self.body, whole=True)
        return Change(self.patch or {})


class DecisionRequest(RequestModel):
    """Why a proposed edit is approved or rejected; may be left out."""

    reason: Reason = ""


class DifferenceView(ResponseModel):
    """A field that an edit adds, removes or changes; `path` is a JSON pointer (RFC 6901)."""

    path: str
    kind: Kind
    before: Any
    after: Any


class EditSummary(ResponseModel):
    """An edit in a list: everything but the two bodies."""

    id: UUID
    dead_letter_id: UUID
    consumer: str
    event_type: str
    message_key: str
    status: EditStatus
    stale: bool
    """It waits for a second person, but the letter has changed since: propose it anew."""
    reason: str
    edited_by: str
    edited_at: datetime
    decided_by: str | None
    """Who approved or rejected it; null while nobody has, and when nobody had to."""
    decided_at: datetime | None
    decision_reason: str
    replay_id: UUID | None
    """The replay that took the edited body to its consumer."""
    differences: list[DifferenceView]

    @classmethod
    def of(cls, view: EditView) -> Self:
        """Show an edit; bodies that are no text are shown with replacement characters."""
        edit = view.edit
        said = {name: getattr(edit, name) for name in cls.model_fields if name in edit.__table__.columns}
        return cls.model_validate(
            said
            | {
                "consumer": view.consumer,
                "event_type": view.event_type,
                "message_key": view.message_key,
                "stale": view.is_stale,
                "before": edit.before.decode(errors="replace"),
                "after": edit.after.decode(errors="replace"),
                "differences": differences(edit.before, edit.after),
            }
        )


class EditDetail(EditSummary):
    """An edit whole."""

    before: str
    after: str

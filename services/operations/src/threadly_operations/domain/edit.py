"""An edit of a letter's body: what it may change, and who must agree.

Only the body can be edited. Headers identify the event, route it, or tell its story; a consumer reads nothing
else from them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from threadly_chassis.errors import Conflict, Forbidden, Invalid
from threadly_contracts import Event, Registry, UnknownEventType, owner_of

from . import json_body
from .dead_letter import parse_event_id
from .json_body import JsonObject, NotAnObject
from .status import Status

#: Whose events are about money: one operator proposes an edit of them, another one approves it.
MONEY_OWNERS = frozenset({"orders"})
#: Begins the name by which the command line knows an operator; the API knows a user's id.
COMMAND_LINE = "cli:"


class EditStatus(StrEnum):
    """How an edit stands; the last two are ends."""

    PROPOSED = "PROPOSED"
    """It waits for a second person; stale as soon as the letter's row version moves."""
    APPLIED = "APPLIED"
    """The letter has the edited body and was replayed with it."""
    REJECTED = "REJECTED"


class NotEditable(Conflict):
    """The letter is not open, or is no event that could be checked and told from another."""

    code = "not_editable"
    title = "This message cannot be edited now"


class BodyUnreadable(Invalid):
    """A patch changes a JSON object; what is none can only be replaced whole."""

    code = "body_unreadable"
    title = "This is not a JSON object"


class EditBreaksContract(Invalid):
    """The edited body is no event of its type; `errors` names the fields."""

    code = "edit_breaks_contract"
    title = "The edited body does not fit its event's contract"


class EditMovesEvent(Invalid):
    """The edited body is about another aggregate than the letter's headers."""

    code = "edit_moves_event"
    title = "What the event is about cannot be edited"


class EditChangesNothing(Invalid):
    """The edited body says what the letter's says: a replay does the same."""

    code = "edit_changes_nothing"
    title = "The edit changes nothing"


class SecondPersonNeeded(Forbidden):
    """An edit of an event about money is approved by somebody who has not proposed it."""

    code = "second_person_needed"
    title = "Another operator must approve this edit"


class EditDecided(Conflict):
    """Only a proposed edit can be approved or rejected."""

    code = "edit_decided"
    title = "This edit was decided already"


class EditStale(Conflict):
    """The letter has changed since the edit was proposed."""

    code = "edit_stale"
    title = "The message has changed since this edit was proposed"


@dataclass(frozen=True, slots=True)
class Change:
    """What an operator wants of a body: a merge patch (RFC 7396), or with `whole` another body."""

    content: JsonObject
    whole: bool = False

    def apply(self, before: bytes) -> bytes:
        """The edited body; raises `BodyUnreadable` or `EditChangesNothing`."""
        try:
            target = {} if self.whole else json_body.read_object(before)
        except NotAnObject as error:
            raise BodyUnreadable("The message cannot be patched. Replace its body as a whole.") from error
        try:
            after = json_body.write(self.content if self.whole else json_body.merge(target, self.content))
        except (NotAnObject, RecursionError) as error:
            raise BodyUnreadable(str(error)) from error
        if not json_body.differences(before, after):
            raise EditChangesNothing("Replay it instead.")
        return after


def check_editable(status: Status, message_key: str) -> None:
    """Raise `NotEditable` unless a letter in `status` may be edited.

    One without an event id is known by a digest of its body: nothing would keep its edit from being applied
    beside the original.
    """
    if status is not Status.OPEN:
        raise NotEditable(f"It is {status}.")
    if parse_event_id(message_key) is None:
        raise NotEditable("It has no event id, so its edit could be applied beside the original.")


def check_contract(contracts: Registry, event_type: str, subject: str, before: bytes, after: bytes) -> None:
    """Check that `after` is an event of its type about its `subject`.

    A field that the contract does not know is refused, so that a typo is not silently ignored; one that was
    in `before` may stay: a newer release of the event's owner has put it there.
    Raises `NotEditable` for a type without a contract here, `EditBreaksContract` and `EditMovesEvent`.
    """
    try:
        kind = contracts[event_type]
    except UnknownEventType as error:
        raise NotEditable(f"Nothing is known here of the type {event_type}.") from error
    known = {fault["field"] for fault in _faults(kind, before) if fault["unknown"]}
    faults = [
        {"field": fault["field"], "message": fault["message"]}
        for fault in _faults(kind, after)
        if not (fault["unknown"] and fault["field"] in known)
    ]
    if faults:
        told = "; ".join(f"{fault['field']}: {fault['message']}".lstrip(": ") for fault in faults[:10])
        raise EditBreaksContract(told, errors=faults)
    about = kind.model_validate_json(after).subject
    if about != subject:
        raise EditMovesEvent(f"{kind.subject_field} must stay {subject}.")


def _faults(kind: type[Event], body: bytes) -> list[dict[str, Any]]:
    """Places and reasons but no values: they may be personal data."""
    try:
        kind.model_validate_json(body, extra="forbid")
    except ValidationError as error:
        return [
            {
                "field": ".".join(map(str, fault["loc"])),
                "message": fault["msg"],
                "unknown": fault["type"] == "extra_forbidden",
            }
            for fault in error.errors(include_input=False, include_url=False)
        ]
    return []


def needs_second_person(event_type: str) -> bool:
    """Whether an edit of events of this wire type is proposed by one and approved by another."""
    return owner_of(event_type) in MONEY_OWNERS


def check_second_person(edited_by: str, decided_by: str) -> None:
    """Raise `SecondPersonNeeded` unless the two are certainly different people.

    The command line knows a person by the account on its machine, the API by the user: whether two such
    names are one person cannot be told, so both steps are taken the same way.
    """
    if edited_by == decided_by:
        raise SecondPersonNeeded("You have proposed it yourself.")
    if edited_by.startswith(COMMAND_LINE) != decided_by.startswith(COMMAND_LINE):
        where = "on the command line" if edited_by.startswith(COMMAND_LINE) else "in the API"
        raise SecondPersonNeeded(f"It was proposed {where}: only there can it be told who is another.")


def check_decidable(status: EditStatus) -> None:
    """Raise `EditDecided` unless the edit waits for a decision."""
    if status is not EditStatus.PROPOSED:
        raise EditDecided(f"It is {status}.")

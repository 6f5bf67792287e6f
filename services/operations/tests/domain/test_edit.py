"""What an edit may change, and who must agree (F41)."""

import json
from typing import Any

import pytest

from threadly_chassis.errors import ThreadlyError
from threadly_chassis.ids import new_id
from threadly_contracts import Event, Money, Registry, published_events
from threadly_operations.domain.edit import (
    BodyUnreadable,
    Change,
    EditBreaksContract,
    EditChangesNothing,
    EditDecided,
    EditMovesEvent,
    EditStatus,
    NotEditable,
    SecondPersonNeeded,
    check_contract,
    check_decidable,
    check_editable,
    check_second_person,
    needs_second_person,
)
from threadly_operations.domain.status import Status


class BookPriced(Event, type="threadly.shelf.book_priced.v1", aggregate="book", subject="book_id"):
    book_id: str
    price: Money
    note: str | None = None


CONTRACTS = Registry([BookPriced])
BODY: dict[str, Any] = {"book_id": "b1", "price": {"amount_minor": 100, "currency": "EUR"}}


def _raw(body: Any) -> bytes:
    return json.dumps(body).encode()


def test_a_patch_changes_what_it_names_and_a_body_all_of_it() -> None:
    patched = Change({"price": {"amount_minor": 90}}).apply(_raw(BODY))
    assert json.loads(patched) == BODY | {"price": {"amount_minor": 90, "currency": "EUR"}}
    assert Change({"book_id": "b1"}, whole=True).apply(_raw(BODY)) == b'{"book_id":"b1"}'


def test_what_is_no_json_can_only_be_replaced_whole() -> None:
    with pytest.raises(BodyUnreadable, match="as a whole"):
        Change({"book_id": "b1"}).apply(b"{")
    assert Change({"book_id": "b1"}, whole=True).apply(b"{") == b'{"book_id":"b1"}'
    with pytest.raises(BodyUnreadable):
        Change({"book_id": "\ud800"}, whole=True).apply(b"{")
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"note": deep}
    for whole in (True, False):
        with pytest.raises(BodyUnreadable):
            Change(deep, whole=whole).apply(_raw(BODY))


@pytest.mark.parametrize(
    "change",
    [Change({}), Change({"book_id": "b1"}), Change({"note": None}), Change(BODY, whole=True)],
    ids=["empty", "same value", "takes away what is not there", "same body"],
)
def test_an_edit_that_changes_nothing_is_refused(change: Change) -> None:
    with pytest.raises(EditChangesNothing):
        change.apply(json.dumps(BODY, indent=2).encode())


@pytest.mark.parametrize(
    ("after", "error", "told"),
    [
        (BODY | {"note": "reduced"}, None, ""),
        (BODY | {"nota": "reduced"}, EditBreaksContract, "nota"),
        (BODY | {"price": BODY["price"] | {"amount": 1}}, EditBreaksContract, "price.amount"),
        (BODY | {"price": {"amount_minor": -1, "currency": "EUR"}}, EditBreaksContract, "price.amount_minor"),
        ({"book_id": "b1"}, EditBreaksContract, "price"),
        (BODY | {"book_id": "b2"}, EditMovesEvent, "book_id must stay b1"),
    ],
    ids=["an optional field", "a typo", "a typo within", "a value out of bounds", "a field away", "moved"],
)
def test_the_edited_body_is_held_against_the_contract(
    after: Any, error: type[ThreadlyError] | None, told: str
) -> None:
    if error is None:
        check_contract(CONTRACTS, BookPriced.type, "b1", _raw(BODY), _raw(after))
        return
    with pytest.raises(error) as raised:
        check_contract(CONTRACTS, BookPriced.type, "b1", _raw(BODY), _raw(after))
    assert told in raised.value.detail


def test_a_field_of_a_newer_release_may_stay_but_not_come() -> None:
    """F45: the event's owner may be a release ahead of operations."""
    newer = BODY | {"signed": True}
    check_contract(CONTRACTS, BookPriced.type, "b1", _raw(newer), _raw(newer | {"note": "x"}))
    with pytest.raises(EditBreaksContract) as raised:
        check_contract(CONTRACTS, BookPriced.type, "b1", _raw(newer), _raw(newer | {"nota": "x"}))
    assert [fault["field"] for fault in raised.value.extras["errors"]] == ["nota"]


def test_the_values_are_not_told() -> None:
    """They may be personal data, and a problem document is logged by whoever gets it."""
    body = BODY | {"price": {"amount_minor": "4111 1111", "currency": "EUR"}}
    with pytest.raises(EditBreaksContract) as raised:
        check_contract(CONTRACTS, BookPriced.type, "b1", _raw(BODY), _raw(body))
    assert "4111" not in str(raised.value.extras) + raised.value.detail


def test_a_type_without_a_contract_here_cannot_be_edited() -> None:
    with pytest.raises(NotEditable, match=r"threadly\.shelf\.book_lost\.v1"):
        check_contract(CONTRACTS, "threadly.shelf.book_lost.v1", "b1", _raw(BODY), _raw(BODY))


@pytest.mark.parametrize("status", Status)
def test_only_an_open_letter_is_edited(status: Status) -> None:
    if status is Status.OPEN:
        check_editable(status, str(new_id()))
        return
    with pytest.raises(NotEditable, match=status):
        check_editable(status, str(new_id()))


def test_a_letter_without_an_event_id_is_not_edited() -> None:
    with pytest.raises(NotEditable, match="beside the original"):
        check_editable(Status.OPEN, "sha256:00")


def test_whose_events_are_about_money() -> None:
    """Every event of orders, whatever it says, and nobody else's."""
    assert {event.owner() for event in published_events() if needs_second_person(event.type)} == {"orders"}
    assert all(needs_second_person(event.type) for event in published_events() if event.owner() == "orders")
    assert not needs_second_person("threadly.orders-archive.order_kept.v1")


@pytest.mark.parametrize(
    ("edited_by", "decided_by", "is_another"),
    [
        ("0199c1a0", "0199c1a1", True),
        ("cli:olga", "cli:otto", True),
        ("0199c1a0", "0199c1a0", False),
        ("cli:olga", "cli:olga", False),
        ("cli:olga", "0199c1a0", False),
        ("0199c1a0", "cli:olga", False),
    ],
)
def test_a_second_person_is_certainly_another(edited_by: str, decided_by: str, *, is_another: bool) -> None:
    if is_another:
        check_second_person(edited_by, decided_by)
        return
    with pytest.raises(SecondPersonNeeded):
        check_second_person(edited_by, decided_by)


@pytest.mark.parametrize("status", [EditStatus.APPLIED, EditStatus.REJECTED])
def test_an_edit_is_decided_once(status: EditStatus) -> None:
    check_decidable(EditStatus.PROPOSED)
    with pytest.raises(EditDecided, match=status):
        check_decidable(status)

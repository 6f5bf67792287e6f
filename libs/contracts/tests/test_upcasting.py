"""Old majors stay readable: chains without gaps, golden payloads lifted to the newest (R-SYS-03)."""

import json
from pathlib import Path

import pytest

from threadly_contracts import (
    UPCASTERS,
    Event,
    EventDefinitionError,
    UpcastError,
    Upcasters,
    published_events,
)

FOLDER = Path(__file__).parents[1]
EVENTS = list(published_events())


class BookLentV1(Event, type="threadly.shelf.book_lent.v1", aggregate="book", subject="book_id"):
    book_id: str
    reader: str


class BookLentV2(Event, type="threadly.shelf.book_lent.v2", aggregate="book", subject="book_id"):
    book_id: str
    first_name: str
    last_name: str


class BookLent(Event, type="threadly.shelf.book_lent.v3", aggregate="book", subject="book_id"):
    book_id: str
    reader: tuple[str, ...]


class BookBurnt(Event, type="threadly.shelf.book_burnt.v2", aggregate="book", subject="book_id"):
    book_id: str


class ShelfLent(Event, type="threadly.shelf.book_lent.v4", aggregate="shelf", subject="book_id"):
    book_id: str


def split(old: BookLentV1) -> BookLentV2:
    first, _, last = old.reader.partition(" ")
    return BookLentV2(book_id=old.book_id, first_name=first, last_name=last)


def join(old: BookLentV2) -> BookLent:
    return BookLent(book_id=old.book_id, reader=(old.first_name, old.last_name))


@pytest.fixture
def upcasters() -> Upcasters:
    table = Upcasters()
    table.add(join)
    table.add(split)
    return table


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_the_golden_payload_of_every_major_is_a_valid_newest_one(event: type[Event]) -> None:
    payload = (FOLDER / "tests" / "golden" / f"{event.routing_key()}.json").read_text()
    newest = UPCASTERS.newest(event)
    assert newest.major() == max(e.major() for e in EVENTS if e.type.rpartition(".v")[0] == _stem(event))
    lifted = UPCASTERS.upcast(event.model_validate_json(payload), newest)
    assert type(lifted) is newest
    assert newest.model_validate_json(lifted.model_dump_json()) == lifted
    assert lifted.subject == str(json.loads(payload)[event.subject_field])


def _stem(event: type[Event]) -> str:
    return event.type.rpartition(".v")[0]


def test_a_chain_lifts_the_oldest_to_the_newest(upcasters: Upcasters) -> None:
    old = BookLentV1(book_id="emma", reader="Ada Lovelace")
    assert upcasters.upcast(old, BookLent) == BookLent(book_id="emma", reader=("Ada", "Lovelace"))
    assert upcasters.upcast(old, BookLentV2) == BookLentV2(
        book_id="emma", first_name="Ada", last_name="Lovelace"
    )
    assert list(upcasters.older(BookLent)) == [BookLentV2, BookLentV1]
    assert upcasters.newest(BookLentV1) is BookLent
    upcasters.check([BookLentV1, BookLentV2, BookLent, BookBurnt])


def test_an_event_of_the_wanted_major_is_left_alone(upcasters: Upcasters) -> None:
    newest = BookLent(book_id="emma", reader=("Ada",))
    assert upcasters.upcast(newest, BookLent) is newest


def test_nothing_is_lifted_downwards(upcasters: Upcasters) -> None:
    with pytest.raises(UpcastError, match=r"no upcaster leads from threadly\.shelf\.book_lent\.v3"):
        upcasters.upcast(BookLent(book_id="emma", reader=()), BookLentV1)


def test_a_gap_between_majors_is_found(upcasters: Upcasters) -> None:
    table = Upcasters()
    table.add(split)
    with pytest.raises(EventDefinitionError, match=r"book_lent\.v2 has no upcaster"):
        table.check([BookLentV1, BookLentV2, BookLent])
    with pytest.raises(EventDefinitionError, match=r"book_lent\.v1 has no upcaster"):
        upcasters.check([BookLentV1, BookLent])


def _another(old: BookLentV1) -> BookLentV2:
    raise AssertionError(old)


def _a_jump(old: BookLentV1) -> BookLent:
    raise AssertionError(old)


def _back(old: BookLent) -> BookLentV2:
    raise AssertionError(old)


def _another_fact(old: BookLentV1) -> BookBurnt:
    raise AssertionError(old)


def _another_aggregate(old: BookLent) -> ShelfLent:
    raise AssertionError(old)


def _without_types(old):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - what is refused
    raise AssertionError(old)


def test_a_second_way_is_refused(upcasters: Upcasters) -> None:
    with pytest.raises(EventDefinitionError, match="already"):
        upcasters.add(_another)


@pytest.mark.parametrize("wrong", [_a_jump, _back, _another_fact, _another_aggregate])
def test_only_a_step_to_the_next_major_of_one_event_is_taken(wrong: object) -> None:
    with pytest.raises(EventDefinitionError, match="is no step to the next major"):
        Upcasters().add(wrong)  # type: ignore[type-var]


def test_the_types_are_read_from_the_annotations() -> None:
    with pytest.raises(EventDefinitionError, match="both annotated"):
        Upcasters().add(_without_types)


def test_a_failing_upcaster_says_which_and_quotes_no_value() -> None:
    table = Upcasters()

    @table.add
    def fails(old: BookLentV1) -> BookLentV2:
        raise ValueError(old.reader)

    with pytest.raises(UpcastError, match="failed: ValueError") as raised:
        table.upcast(BookLentV1(book_id="emma", reader="Ada Lovelace"), BookLentV2)
    assert "Ada" not in str(raised.value)


def test_an_upcaster_keeps_to_its_subject() -> None:
    table = Upcasters()

    @table.add
    def strays(old: BookLentV1) -> BookLentV2:
        return BookLentV2(book_id=f"not {old.book_id}", first_name="", last_name="")

    with pytest.raises(UpcastError, match="made something else of emma"):
        table.upcast(BookLentV1(book_id="emma", reader="Ada"), BookLentV2)

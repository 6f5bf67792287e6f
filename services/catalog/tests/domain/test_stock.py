"""The rules of stock: every order of arrival, without a database."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from threadly_catalog.domain.errors import SoldTwice
from threadly_catalog.domain.lifecycle import (
    AVAILABLE,
    FROZEN,
    MOVES,
    REMOVED,
    RESERVED,
    SOLD,
    Mover,
    may_move,
)
from threadly_catalog.domain.stock import Hold, Stock, release, release_lapsed, reserve, sell
from threadly_contracts.catalog import ProductStatus

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
FIRST = Hold(UUID(int=1), NOON, NOON + timedelta(minutes=15))
SECOND = Hold(UUID(int=2), NOON + timedelta(minutes=1), NOON + timedelta(minutes=16))
ORDERS = {FIRST: UUID(int=11), SECOND: UUID(int=12)}
Fact = tuple[str, Hold]


def _after(facts: Sequence[Fact], stock: Stock) -> Stock:
    """Apply facts in the order given, as the handlers do: with a memory of the checkouts that are over."""
    over: set[UUID] = set()
    for fact, hold in facts:
        if fact == "started":
            stock = reserve(stock, hold, over=hold.checkout_id in over, now=NOON)
        elif fact == "ended":
            over.add(hold.checkout_id)
            stock = release(stock, hold.checkout_id)
        else:
            over.add(hold.checkout_id)
            stock = sell(stock, ORDERS[hold])
    return stock


def _all_orders(*facts: Fact) -> list[tuple[Fact, ...]]:
    """Every order of arrival, with one of them (or none) delivered a second time at every later place."""
    found = set(itertools.permutations(facts))
    for order in list(found):
        for again, place in itertools.product(range(len(order)), range(len(order) + 1)):
            if place > again:
                found.add((*order[:place], order[again], *order[place:]))
    return sorted(found, key=str)


@pytest.mark.parametrize("order", _all_orders(("started", FIRST), ("ended", FIRST)))
def test_a_checkout_that_ended_holds_nothing(order: tuple[Fact, ...]) -> None:
    """E011 in spirit: a late start of an ended checkout must not reserve for ever."""
    assert _after(order, Stock(AVAILABLE)) == Stock(AVAILABLE)
    assert _after(order, Stock(REMOVED)) == Stock(REMOVED)


@pytest.mark.parametrize("order", _all_orders(("started", FIRST), ("confirmed", FIRST)))
@pytest.mark.parametrize("before", [AVAILABLE, REMOVED])
def test_a_paid_item_is_sold(order: tuple[Fact, ...], before: ProductStatus) -> None:
    """R-ORD-06; E037: also over a withdrawal, the buyer has paid."""
    assert _after(order, Stock(before)) == Stock(SOLD, order_id=ORDERS[FIRST])


@pytest.mark.parametrize("order", _all_orders(("started", FIRST), ("ended", FIRST), ("started", SECOND)))
def test_the_second_checkout_holds_after_the_first(order: tuple[Fact, ...]) -> None:
    assert _after(order, Stock(AVAILABLE)) == Stock(RESERVED, SECOND)


@pytest.mark.parametrize(
    "order",
    _all_orders(("started", FIRST), ("ended", FIRST), ("started", SECOND), ("confirmed", SECOND)),
)
def test_the_second_checkout_buys_after_the_first(order: tuple[Fact, ...]) -> None:
    assert _after(order, Stock(AVAILABLE)) == Stock(SOLD, order_id=ORDERS[SECOND])


@pytest.mark.parametrize(
    "order", _all_orders(("started", FIRST), ("ended", FIRST), ("started", SECOND), ("ended", SECOND))
)
def test_after_two_ended_checkouts_the_item_is_free(order: tuple[Fact, ...]) -> None:
    assert _after(order, Stock(AVAILABLE)) == Stock(AVAILABLE)


@pytest.mark.parametrize("order", _all_orders(("started", SECOND), ("confirmed", FIRST)))
def test_a_confirmed_order_wins_over_another_checkout(order: tuple[Fact, ...]) -> None:
    """Architecture §5 step 5: a payment that succeeds late is confirmed if orders says so."""
    assert _after(order, Stock(AVAILABLE)) == Stock(SOLD, order_id=ORDERS[FIRST])


def test_a_start_that_comes_past_its_end_reserves_nothing() -> None:
    for until in (NOON, NOON - timedelta(hours=1)):
        late = Hold(FIRST.checkout_id, NOON - timedelta(hours=2), until)
        assert reserve(Stock(AVAILABLE), late, over=False, now=NOON) == Stock(AVAILABLE)


def test_a_hold_lapses_only_past_its_end() -> None:
    held = Stock(RESERVED, FIRST)
    assert release_lapsed(held, FIRST.until) == held
    assert release_lapsed(held, FIRST.until + timedelta(seconds=1)) == Stock(AVAILABLE)
    for other in (Stock(AVAILABLE), Stock(REMOVED), Stock(SOLD, order_id=UUID(int=11))):
        assert release_lapsed(other, FIRST.until + timedelta(days=1)) == other


def test_a_second_order_for_one_item_is_no_quiet_success() -> None:
    sold = Stock(SOLD, order_id=ORDERS[FIRST])
    with pytest.raises(SoldTwice):
        sell(sold, ORDERS[SECOND])


def test_the_table_of_moves() -> None:
    """E064: what a seller may do is one pair; nothing leaves SOLD; what is frozen is not the seller's."""
    sellers = {pair for pair, mover in MOVES.items() if mover is Mover.SELLER}
    assert sellers == {(AVAILABLE, REMOVED), (REMOVED, AVAILABLE)}
    assert not any(source is SOLD for source, _ in MOVES)
    assert not any(may_move(Mover.SELLER, frozen, to) for frozen in FROZEN for to in ProductStatus)

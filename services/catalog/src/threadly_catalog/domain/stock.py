"""Who holds an item: decided from events that come in any order, late, and twice.

Orders decides who may buy (one live checkout per product, by its own index); catalog follows, so that
people see what is still for sale. Three facts about checkouts arrive, and whatever their order:

* a checkout that is known to be over, or that is past its end, reserves nothing;
* between two live ones the later start wins, because orders lets the second begin only after the first
  has ended: the end is merely still on its way;
* a confirmed order always wins, even over a withdrawal: the buyer has paid.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from threadly_contracts.catalog import ProductStatus

from .errors import SoldTwice
from .lifecycle import AVAILABLE, RESERVED, SOLD, Mover, may_move


@dataclass(frozen=True, slots=True)
class Hold:
    """A checkout's grip on an item, from `since` until `until`."""

    checkout_id: UUID
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Stock:
    """An item as far as stock goes; `hold` is set exactly while it is RESERVED."""

    status: ProductStatus
    hold: Hold | None = None
    order_id: UUID | None = None


def reserve(stock: Stock, hold: Hold, *, over: bool, now: datetime) -> Stock:
    """A checkout started. `over` tells that its end, or its sale, was heard of before its start."""
    if over or hold.until <= now:
        return stock
    if stock.hold is not None:
        return replace(stock, hold=hold) if hold.since > stock.hold.since else stock
    return Stock(RESERVED, hold) if may_move(Mover.CHECKOUT, stock.status, RESERVED) else stock


def release(stock: Stock, checkout_id: UUID) -> Stock:
    """A checkout ended without a sale: the item is free again if that checkout held it."""
    if stock.hold is None or stock.hold.checkout_id != checkout_id:
        return stock
    return Stock(AVAILABLE)


def release_lapsed(stock: Stock, before: datetime) -> Stock:
    """Free an item whose checkout should have ended before a moment and never said so."""
    return Stock(AVAILABLE) if stock.hold is not None and stock.hold.until < before else stock


def sell(stock: Stock, order_id: UUID) -> Stock:
    """An order was paid; raises `SoldTwice` when the item went to another one."""
    if stock.status is SOLD:
        if stock.order_id != order_id:
            raise SoldTwice(f"sold to order {stock.order_id}, now claimed by {order_id}")
        return stock
    return Stock(SOLD, order_id=order_id)

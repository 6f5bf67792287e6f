"""catalog.stock on a real database: what checkouts and orders do to an item."""

import asyncio
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from threadly_catalog.domain.errors import SoldTwice, UnknownProduct
from threadly_catalog.use_cases.release_lapsed_holds import release_lapsed_holds
from threadly_chassis.clock import FrozenClock
from threadly_chassis.ids import new_id

pytestmark = pytest.mark.integration


async def test_an_item_is_reserved_and_released(catalog: Any, purchase: Callable[..., Any]) -> None:
    """R-ORD: CheckoutStarted → RESERVED; CheckoutEnded → AVAILABLE; each event carries the whole product."""
    item = await catalog.item()
    buying = purchase(item)
    await catalog.give("catalog.stock", buying.started())
    row = await catalog.row(item)
    assert (row["status"], row["held_by"], row["version"]) == ("RESERVED", buying.checkout_id, 2)
    assert row["held_until"] == buying.started_at + timedelta(minutes=15)
    await catalog.give("catalog.stock", buying.ended())
    row = await catalog.row(item)
    assert (row["status"], row["held_by"], row["held_until"], row["version"]) == ("AVAILABLE", None, None, 3)
    _, reserved, released = await catalog.events(item["id"])
    assert reserved[:2] == ("product_reserved", 2)
    assert released[:2] == ("product_released", 3)
    for fact, version, payload in (reserved, released):
        assert payload["checkout_id"] == str(buying.checkout_id), fact
        assert (payload["version"], payload["title"]) == (version, item["title"])


async def test_an_item_is_sold(catalog: Any, purchase: Callable[..., Any]) -> None:
    """R-ORD-06; the category's count follows."""
    item = await catalog.item()
    buying = purchase(item)
    await catalog.give("catalog.stock", buying.started(), buying.confirmed())
    row = await catalog.row(item)
    assert (row["status"], row["order_id"], row["held_by"]) == ("SOLD", buying.order_id, None)
    assert row["sold_at"] == buying.started_at + timedelta(minutes=5)
    fact, version, payload = (await catalog.events(item["id"]))[-1]
    assert (fact, version, payload["status"]) == ("product_sold", 3, "SOLD")
    assert payload["order_id"] == str(buying.order_id)
    counted = await catalog.query("select sum(delta) as listed from category_count_change")
    assert counted == [{"listed": 0}]


@pytest.mark.parametrize("order", list(itertools.permutations(["started", "ended"])))
async def test_a_checkout_that_ended_in_any_order_and_twice(
    catalog: Any, purchase: Callable[..., Any], order: tuple[str, ...]
) -> None:
    """A late or repeated CheckoutStarted of an ended checkout must not reserve for ever."""
    item = await catalog.item()
    buying = purchase(item)
    events = [getattr(buying, fact)() for fact in order]
    await catalog.give("catalog.stock", *events, *events)
    assert (await catalog.row(item))["status"] == "AVAILABLE"
    said = ["product_reserved", "product_released"] if order[0] == "started" else []
    assert await catalog.facts(item["id"]) == ["product_created", *said]


@pytest.mark.parametrize("order", list(itertools.permutations(["started", "confirmed"])))
@pytest.mark.parametrize("withdrawn", [False, True])
async def test_a_paid_checkout_in_any_order_and_twice(
    catalog: Any, purchase: Callable[..., Any], order: tuple[str, ...], *, withdrawn: bool
) -> None:
    """E037: SOLD once, whatever came first; also when the seller withdrew the item meanwhile."""
    item = await catalog.item()
    if withdrawn:
        await catalog.call("DELETE", f"/products/{item['id']}", catalog.seller)
    buying = purchase(item)
    events = [getattr(buying, fact)() for fact in order]
    await catalog.give("catalog.stock", *events, *events)
    assert (await catalog.row(item))["status"] == "SOLD"
    facts = await catalog.facts(item["id"])
    assert facts.count("product_sold") == 1
    assert facts[-1] == "product_sold"
    counted = await catalog.query("select sum(delta) as listed from category_count_change")
    assert counted == [{"listed": 0}]


@pytest.mark.parametrize(
    "order", list(itertools.permutations([("first", "started"), ("first", "ended"), ("second", "started")]))
)
async def test_two_checkouts_of_one_item(
    catalog: Any, purchase: Callable[..., Any], order: tuple[tuple[str, str], ...]
) -> None:
    """Orders lets the second start only after the first has ended; their events may overtake each other."""
    item = await catalog.item()
    checkouts = {"first": purchase(item), "second": purchase(item, later=timedelta(minutes=1))}
    for whose, fact in order:
        await catalog.give("catalog.stock", getattr(checkouts[whose], fact)())
    row = await catalog.row(item)
    assert (row["status"], row["held_by"]) == ("RESERVED", checkouts["second"].checkout_id)
    await catalog.give("catalog.stock", checkouts["second"].confirmed())
    assert (await catalog.row(item))["order_id"] == checkouts["second"].order_id


async def test_a_confirmed_order_wins_over_another_checkout(
    catalog: Any, purchase: Callable[..., Any]
) -> None:
    """Architecture §5 step 5: the payment that came late but was confirmed."""
    item = await catalog.item()
    late, other = purchase(item), purchase(item, later=timedelta(minutes=1))
    await catalog.give("catalog.stock", other.started(), late.confirmed(), other.ended())
    row = await catalog.row(item)
    assert (row["status"], row["order_id"]) == ("SOLD", late.order_id)


async def test_a_second_order_is_refused_loudly(catalog: Any, purchase: Callable[..., Any]) -> None:
    """E002's last line of defence: it goes to the dead letters, and the first buyer keeps the item."""
    item = await catalog.item()
    first, second = purchase(item), purchase(item)
    await catalog.give("catalog.stock", first.confirmed())
    with pytest.raises(SoldTwice):
        await catalog.give("catalog.stock", second.confirmed())
    assert (await catalog.row(item))["order_id"] == first.order_id


async def test_a_withdrawn_item_stays_withdrawn(catalog: Any, purchase: Callable[..., Any]) -> None:
    """Architecture §5 step 2: orders hears ProductRemoved and ends the checkout."""
    item = await catalog.item()
    await catalog.call("DELETE", f"/products/{item['id']}", catalog.seller)
    buying = purchase(item)
    await catalog.give("catalog.stock", buying.started(), buying.ended())
    assert await catalog.facts(item["id"]) == ["product_created", "product_removed"]


async def test_a_start_past_its_end_reserves_nothing(catalog: Any, purchase: Callable[..., Any]) -> None:
    """E037: catalog was away for an hour."""
    item = await catalog.item()
    await catalog.give("catalog.stock", purchase(item, later=-timedelta(hours=1)).started())
    assert (await catalog.row(item))["status"] == "AVAILABLE"


async def test_an_item_that_never_was_here(catalog: Any, purchase: Callable[..., Any]) -> None:
    nothing = {"id": str(new_id()), "seller_id": str(new_id()), "version": 1, "title": ""}
    for fact in ("started", "ended", "confirmed"):
        with pytest.raises(UnknownProduct):
            await catalog.give("catalog.stock", getattr(purchase(nothing), fact)())


@pytest.mark.parametrize("fact", ["started", "ended", "confirmed"])
async def test_a_crash_before_the_commit_leaves_no_trace(
    catalog: Any, purchase: Callable[..., Any], fact: str
) -> None:
    """The message comes again and finds everything as it was."""
    item = await catalog.item()
    buying = purchase(item)
    if fact == "ended":
        await catalog.give("catalog.stock", buying.started())
    before = await catalog.row(item), await catalog.facts(item["id"])
    with pytest.raises(ConnectionError):
        await catalog.give("catalog.stock", getattr(buying, fact)(), crash=ConnectionError())
    assert (await catalog.row(item), await catalog.facts(item["id"])) == before
    assert await catalog.query("select 1 from ended_checkout") == []
    await catalog.give("catalog.stock", getattr(buying, fact)())
    statuses = {"started": "RESERVED", "ended": "AVAILABLE", "confirmed": "SOLD"}
    assert (await catalog.row(item))["status"] == statuses[fact]


async def test_start_and_end_at_the_same_moment(catalog: Any, purchase: Callable[..., Any]) -> None:
    """Two workers hold the two events of one checkout at once: the item is free in the end."""
    items = [await catalog.item() for _ in range(8)]
    for item in items:
        buying = purchase(item)
        await asyncio.gather(
            catalog.give("catalog.stock", buying.started()),
            catalog.give("catalog.stock", buying.ended()),
        )
    assert [(await catalog.row(item))["status"] for item in items] == ["AVAILABLE"] * 8


async def test_the_seller_edits_while_a_checkout_starts(catalog: Any, purchase: Callable[..., Any]) -> None:
    """E010: whoever takes the lock first; versions leave without gap or double."""
    item = await catalog.item()
    answer, _ = await asyncio.gather(
        catalog.patch(item, price="99"), catalog.give("catalog.stock", purchase(item).started())
    )
    events = await catalog.events(item["id"])
    edited = [fact for fact, _, _ in events].count("product_updated")
    assert [version for _, version, _ in events] == list(range(1, len(events) + 1))
    assert (answer.status_code, edited) in {(200, 1), (409, 0)}
    assert (await catalog.row(item))["status"] == "RESERVED"


async def test_a_hold_without_an_end_lapses(catalog: Any, purchase: Callable[..., Any]) -> None:
    """E035: even when nobody ever says so, an item is not reserved for ever."""
    clock = FrozenClock(datetime.now(UTC))
    catalog.change(clock=clock)
    item, other = await catalog.item(), await catalog.item()
    buying = purchase(item)
    await catalog.give("catalog.stock", buying.started(), purchase(other, minutes=60).started())
    clock.move(timedelta(minutes=19))
    await release_lapsed_holds(catalog.deps)
    assert (await catalog.row(item))["status"] == "RESERVED"
    clock.move(timedelta(minutes=2))
    await release_lapsed_holds(catalog.deps)
    await release_lapsed_holds(catalog.deps)
    assert (await catalog.row(item))["status"] == "AVAILABLE"
    assert (await catalog.row(other))["status"] == "RESERVED"
    facts = await catalog.events(item["id"])
    assert [fact for fact, _, _ in facts] == ["product_created", "product_reserved", "product_released"]
    assert facts[-1][2]["checkout_id"] == str(buying.checkout_id)
    await catalog.give("catalog.stock", buying.confirmed())
    assert UUID((await catalog.events(item["id"]))[-1][2]["order_id"]) == buying.order_id

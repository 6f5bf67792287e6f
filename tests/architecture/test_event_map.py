"""docs/event-map.md says what the workers run, and every event has a publisher and a reader (R-SYS-03)."""

import ast
from dataclasses import replace

import pytest
from tools import event_map
from tools.event_map import Map, document, faults, load
from tools.repository import ROOT, package_of, paths

from threadly_chassis.messaging import Consumer, Gate, Subscriptions
from threadly_contracts import Event, Registry
from threadly_contracts.catalog import ProductSold


class Renamed(Event, type="threadly.catalog.product_sold.v1", aggregate="product", subject="id"):
    """A consumer's own copy of a public event, as eShop has four of."""

    id: str


class Unheard(Event, type="threadly.orders.order_admired.v1", aggregate="order", subject="id"):
    id: str


async def handler(event: Event, context: object) -> None:
    """Nothing; the map only looks at the table."""


@pytest.fixture(scope="module")
def found() -> Map:
    return load()


def listening(service: str, event: type[Event]) -> Subscriptions:
    return Subscriptions(service, Consumer(f"{service}.planted", handlers={event: handler}))


def test_the_map_is_current(found: Map) -> None:
    assert (ROOT / event_map.PATH).read_text() == document(found), "run python -m tools.event_map"


def test_nobody_listens_to_nothing_and_nothing_goes_unread(found: Map) -> None:
    """R-SYS-03: every subscription names a real event; every event has a reader, or a reason."""
    assert faults(found) == []


def test_every_public_event_is_made_by_its_owner(found: Map) -> None:
    """R-SYS-03: a service publishes each event that the contracts give it."""
    for event in found.events:
        package = "threadly_chassis" if event.owner() == "operations" else package_of(event.owner())
        named = {
            node.id
            for path in paths()
            if f"/src/{package}/" in path and path.endswith(".py") and not path.endswith("subscriptions.py")
            for node in ast.walk(ast.parse((ROOT / path).read_text()))
            if isinstance(node, ast.Name)
        }
        assert event.__name__ in named, f"{event.__name__} is used nowhere in {package}"


def test_a_subscription_to_an_event_that_no_contract_knows_is_found(found: Map) -> None:
    planted = replace(found, tables=(*found.tables, listening("notifier", Unheard)))
    assert faults(planted) == [
        "notifier.planted listens to threadly.orders.order_admired.v1, which no contract knows"
    ]


def test_a_private_message_is_its_owners_own(found: Map) -> None:
    planted = replace(found, tables=(*found.tables, listening("orders", Unheard)))
    assert faults(planted) == []
    assert Unheard in planted.private()
    assert "`threadly.orders.order_admired.v1`" in document(planted)


def test_a_strict_reader_reads_every_event_of_its_aggregates(found: Map) -> None:
    table = Subscriptions(
        "notifier", Consumer("notifier.planted", gate=Gate.STRICT, handlers={ProductSold: handler})
    )
    found_faults = faults(replace(found, tables=(*found.tables, table)))
    assert (
        "notifier.planted is strict about product and passes threadly.catalog.product_created.v1 over"
        in found_faults
    )
    assert not any("product_sold" in fault for fault in found_faults)


def test_a_readers_own_copy_of_an_event_is_found(found: Map) -> None:
    planted = replace(found, tables=(*found.tables, listening("notifier", Renamed)))
    assert faults(planted) == ["notifier.planted has a class of its own for threadly.catalog.product_sold.v1"]


def test_an_event_without_reader_or_reason_is_found(found: Map) -> None:
    planted = replace(found, events=Registry([*found.events, Unheard]))
    [fault] = faults(planted)
    assert "order_admired.v1 has no reader" in fault
    assert faults(replace(planted, unread={**found.unread, Unheard.type: "for the admirers"})) == []


@pytest.mark.parametrize(
    ("known", "fault"),
    [
        (ProductSold.type, "has a reader; take it out"),
        ("threadly.orders.gone.v1", "is listed as unread, but is no event"),
    ],
)
def test_a_reason_that_has_become_untrue_is_found(found: Map, known: str, fault: str) -> None:
    [said] = faults(replace(found, unread={**found.unread, known: "once"}))
    assert fault in said

from typing import Any
from uuid import UUID, uuid4

import pytest

from threadly_chassis.testing.database import statements
from threadly_chassis.testing.identity import somebody
from threadly_contracts.auth import UserRegistered
from threadly_contracts.orders import OrderConfirmed
from threadly_orders.use_cases.follow_intent import follow_intent

pytestmark = pytest.mark.integration


async def _bought(shop: Any, **product: Any) -> dict[str, Any]:
    checkout = await shop.started((await shop.listed(**product)).product_id)
    await shop.pay(checkout)
    confirmed: dict[str, Any] = (await shop.act(checkout["id"], "confirm")).json()
    return confirmed


async def test_an_order_shows_its_record_and_its_payment(shop: Any) -> None:
    """R-ORD-05, R-ORD-07, CO-25, CO-27, CO-31."""
    checkout = await _bought(shop)
    for who in (shop.buyer, shop.seller):
        order = (await shop.get(f"/v1/orders/{checkout['order_id']}", who=who)).json()
        assert order["status"] == "CONFIRMED"
        assert order["buyer"]["id"] == str(shop.buyer.user_id)
        assert order["seller"]["id"] == str(shop.seller.user_id)
        assert order["product"] == {"id": checkout["product_id"], "title": "Linen dress"}
        assert order["amount"]["formatted"] == "25.50 EUR"
        assert order["payment"]["status"] == "COMPLETED"
        assert order["payment"]["amount"] == order["amount"]


async def test_an_order_is_its_two_sides_business(shop: Any) -> None:
    """404 to everybody else."""
    checkout = await _bought(shop)
    assert (await shop.get(f"/v1/orders/{checkout['order_id']}", who=somebody())).status_code == 404
    assert (await shop.get(f"/v1/orders/{uuid4()}")).status_code == 404


async def test_purchases_and_sales_are_paged_newest_first(shop: Any) -> None:
    bought = [(await _bought(shop, title=f"Dress {number}"))["order_id"] for number in range(5)]
    seen, cursor = [], ""
    for _ in range(3):
        page = (await shop.get(f"/v1/orders?limit=2{cursor}")).json()
        seen += [order["id"] for order in page["data"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert page["next_cursor"] is None
    assert seen == bought[::-1]
    sales = (await shop.get("/v1/orders?role=seller", who=shop.seller)).json()["data"]
    assert [order["id"] for order in sales] == bought[::-1]
    assert (await shop.get("/v1/orders?role=seller")).json()["data"] == []


async def test_a_cursor_belongs_to_one_person_and_one_list(shop: Any) -> None:
    """Architecture §6: opaque and signed."""
    for _ in range(2):
        await _bought(shop)
    cursor = (await shop.get("/v1/orders?limit=1")).json()["next_cursor"]
    assert (await shop.get(f"/v1/orders?cursor={cursor}")).status_code == 200
    for path, who in (
        (f"/v1/orders?role=seller&cursor={cursor}", shop.buyer),
        (f"/v1/orders?cursor={cursor}", shop.seller),
        ("/v1/orders?cursor=bogus", shop.buyer),
    ):
        answer = await shop.get(path, who=who)
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor_malformed")


async def test_names_come_with_the_orders(shop: Any) -> None:
    """`orders.people` keeps them."""
    checkout = await _bought(shop)
    now = shop.clock.now()
    for who, first in ((shop.buyer, "Bea"), (shop.seller, "Sol")):
        person = UserRegistered(
            user_id=who.user_id,
            email="x@example.com",
            first_name=first,
            last_name="Ray",
            image_url=None,
            created_at=now,
        )
        await shop.post.bring(person, 1)
    order = (await shop.get(f"/v1/orders/{checkout['order_id']}")).json()
    assert (order["buyer"]["name"], order["seller"]["name"]) == ("Bea Ray", "Sol Ray")


async def test_a_list_costs_the_same_number_of_queries_whatever_its_length(shop: Any) -> None:
    """R-PERF-02: no N+1."""
    costs = []
    for limit in (1, 3):
        await _bought(shop)
        async with statements(shop.deps.db) as sent:
            assert (await shop.get(f"/v1/orders?limit={limit}")).status_code == 200
        costs.append(len(sent))
    assert costs == [3, 3]


async def test_the_lists_of_both_sides_are_fresh_after_a_sale(shop: Any) -> None:
    """R-ORD-09, CO-28: invalidateUserOrders for buyer and seller."""
    for who, role in ((shop.buyer, "buyer"), (shop.seller, "seller")):
        assert (await shop.get(f"/v1/orders?role={role}", who=who)).json()["data"] == []
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout)
    await shop.hears("payment_intent.succeeded")
    for who, role in ((shop.buyer, "buyer"), (shop.seller, "seller")):
        [order] = (await shop.get(f"/v1/orders?role={role}", who=who)).json()["data"]
        assert order["checkout_id"] == checkout["id"]


@pytest.mark.parametrize("verb", ["confirm", "cancel"])
async def test_a_buyer_reads_what_they_just_did(shop: Any, verb: str) -> None:
    """Architecture §6: the writer's next read is never stale, also before any message is delivered."""
    assert (await shop.get("/v1/orders")).json()["data"] == []
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout)
    assert (await shop.act(checkout["id"], verb)).json()["status"] == "COMPLETED"
    [order] = (await shop.get("/v1/orders")).json()["data"]
    assert order["checkout_id"] == checkout["id"]


async def test_a_buyer_who_asks_after_the_webhook_reads_the_sale_too(shop: Any) -> None:
    """Architecture §6: whoever was told COMPLETED finds the order, even before its event is delivered."""
    assert (await shop.get("/v1/orders")).json()["data"] == []
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout)
    intent_id = checkout["client_secret"].partition("_secret_")[0]
    await follow_intent(await shop.deps.payments.retrieve_intent(intent_id), deps=shop.deps)
    assert (await shop.get("/v1/orders")).json()["data"] == []
    assert (await shop.act(checkout["id"], "confirm")).json()["status"] == "COMPLETED"
    [order] = (await shop.get("/v1/orders")).json()["data"]
    assert order["checkout_id"] == checkout["id"]


async def test_a_sellers_cached_list_waits_for_the_event_and_no_longer(shop: Any) -> None:
    """The invalidator is what makes it fresh: without its message the list would be a minute old."""
    await shop.get("/v1/orders?role=seller", who=shop.seller)
    checkout = await _bought(shop)
    assert (await shop.get("/v1/orders?role=seller", who=shop.seller)).json()["data"] == []
    await shop.post.run()
    [order] = (await shop.get("/v1/orders?role=seller", who=shop.seller)).json()["data"]
    assert order["id"] == checkout["order_id"]


async def test_the_confirmed_event_says_what_its_readers_need(shop: Any) -> None:
    """CO-13: no reader calls back."""
    checkout = await _bought(shop)
    [payload] = await shop.post.payloads("order_confirmed")
    event = OrderConfirmed.model_validate(payload)
    assert event.order_id == UUID(checkout["order_id"])
    assert event.buyer_id == shop.buyer.user_id
    assert event.seller_id == shop.seller.user_id
    assert event.amount.amount_minor == 2550
    assert event.product_title == "Linen dress"

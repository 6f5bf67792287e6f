import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.integration


async def _paid(shop: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A paid checkout, and Stripe's event about it."""
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout)
    [event] = await shop.events("payment_intent.succeeded")
    return checkout, event


async def test_a_payment_becomes_an_order(shop: Any) -> None:
    """R-ORD-04 to R-ORD-08, R-SYNC-02, CO-11 to CO-16, EX-06, EX-07: all of it in one transaction."""
    checkout, event = await _paid(shop)
    assert (await shop.webhook(event)).status_code == 204
    assert await shop.status(checkout) == "OPEN"  # kept, and answered fast; the work is the worker's
    await shop.post.run()
    assert await shop.status(checkout) == "COMPLETED"
    transactions = await shop.rows(
        "select xmin::text from orders union select xmin::text from payment "
        "union select xmin::text from checkout union select xmin::text from sync_event "
        "union select xmin::text from outbox_event where event_type = 'threadly.orders.order_confirmed.v1'"
    )
    assert len(transactions) == 1
    assert await shop.rows("select service, event_id, event_type from sync_event") == [
        ("stripe", event["id"], "payment_intent.succeeded")
    ]


async def test_ten_copies_at_once_make_one_order(shop: Any) -> None:
    """E016: all answered 2xx."""
    _, event = await _paid(shop)
    answers = await asyncio.gather(*(shop.webhook(event) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {204}
    assert await shop.count("stripe_event") == 1
    assert (await shop.post.types()).count("stripe_event_received") == 1
    await shop.post.run()
    assert await shop.count("orders") == 1
    assert (await shop.post.types()).count("order_confirmed") == 1


async def test_two_events_about_one_change_make_one_order(shop: Any) -> None:
    """Providers §1.1: occasionally two events for one change."""
    _, event = await _paid(shop)
    await shop.webhook(event)
    await shop.webhook(event | {"id": "evt_twin"})
    await shop.post.run()
    assert await shop.count("orders") == 1
    assert len(await shop.rows("select 1 from sync_event")) == 2


async def test_a_forged_or_stale_signature_is_refused(shop: Any, signed: Callable[..., str]) -> None:
    """E028, R-SYNC-01: forged, old, and from the future."""
    _, event = await _paid(shop)
    body = json.dumps(event)
    now = int(time.time())
    for signature in (
        signed(body, secret="whsec_other"),
        signed(body, at=now - 301),
        signed(body, at=now + 302),
        signed(body + " "),
        "t=x,v1=",
        "v1=abc",
        "nonsense",
        " ",
    ):
        answer = await shop.webhook(event, signature=signature)
        assert answer.status_code == 400, signature
        assert answer.json()["code"] == "invalid_webhook_signature"
        assert answer.json()["title"] == "Invalid webhook signature"
    assert await shop.count("stripe_event") == 0


async def test_one_valid_signature_of_two_is_enough(shop: Any, signed: Callable[..., str]) -> None:
    """E028: two v1 while a secret is being rolled."""
    _, event = await _paid(shop)
    stamp, _, genuine = signed(json.dumps(event)).partition(",")
    assert (await shop.webhook(event, signature=f"{stamp},v1={'0' * 64},{genuine}")).status_code == 204


async def test_a_reserialised_body_fails(shop: Any, signed: Callable[..., str]) -> None:
    """E029: ours are the raw bytes."""
    _, event = await _paid(shop)
    signature = signed(json.dumps(event))
    headers = {"Stripe-Signature": signature}
    prettier = json.dumps(event, indent=2)
    answer = await shop.client.post("/v1/webhooks/stripe", content=prettier, headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"", b"[]", b"null", b"{}", b'{"object": "v2.core.event"}', b'{"object": "event"}']
)
async def test_garbage_with_a_right_signature_is_no_500(
    shop: Any, signed: Callable[..., str], body: bytes
) -> None:
    """Providers §0.8: a 500 would bring the garbage back for three days."""
    headers = {"Stripe-Signature": signed(body.decode("latin-1"))}
    answer = await shop.client.post("/v1/webhooks/stripe", content=body, headers=headers)
    assert answer.status_code == 400
    without = await shop.client.post("/v1/webhooks/stripe", content=body)
    assert without.status_code == 400


async def test_a_body_without_end_is_cut_off(shop: Any) -> None:
    answer = await shop.client.post("/v1/webhooks/stripe", content=b"x" * (512 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_types_that_do_not_concern_us_are_ticked_off(shop: Any) -> None:
    """Providers §6: unknown types stored and ignored."""
    _, event = await _paid(shop)
    odd = event | {
        "id": "evt_odd",
        "type": "customer.created",
        "data": {"object": {"id": "cus_1", "object": "customer"}},
    }
    assert (await shop.webhook(odd)).status_code == 204
    await shop.post.run()
    assert await shop.rows("select event_id from sync_event") == [("evt_odd",)]
    assert await shop.count("orders") == 0


async def test_the_event_itself_is_never_believed(shop: Any) -> None:
    """R-ORD-04: the PaymentIntent is retrieved; a signed claim of success changes nothing by itself."""
    checkout = await shop.started((await shop.listed()).product_id)
    [created] = await shop.events("payment_intent.created")
    claim = created | {"id": "evt_claim", "type": "payment_intent.succeeded"}
    claim["data"]["object"]["status"] = "succeeded"
    assert (await shop.webhook(claim)).status_code == 204
    await shop.post.run()
    assert await shop.status(checkout) == "OPEN"
    assert await shop.count("orders") == 0

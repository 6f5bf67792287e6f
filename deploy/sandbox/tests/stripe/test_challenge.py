"""3-D Secure: the buyer's bank asks, the buyer answers on a page."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import stripe

from threadly_sandbox.testing import Receiver

BACK = "http://127.0.0.1:9/checkout?step=2"


async def challenged(client: stripe.StripeClient, **more: Any) -> stripe.PaymentIntent:
    params: Any = {
        "amount": 4200,
        "currency": "eur",
        "payment_method": "pm_card_threeDSecure2Required",
        "confirm": True,
        "return_url": BACK,
    }
    return await client.v1.payment_intents.create_async(params | more)


def page_of(intent: stripe.PaymentIntent) -> str:
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    return str(intent.next_action.redirect_to_url.url)


@pytest.mark.parametrize(
    ("answer", "status"), [("approve", "succeeded"), ("fail", "requires_payment_method")]
)
async def test_the_buyers_answer_decides(
    client: stripe.StripeClient, receiver: Receiver, answer: str, status: str
) -> None:
    intent = await challenged(client)
    assert intent.status == "requires_action"

    async with httpx.AsyncClient() as browser:
        page = await browser.get(page_of(intent))
        assert "42.00 EUR" in page.text
        left = await browser.post(page_of(intent), data={"answer": answer})

    assert left.status_code == 303
    back = parse_qs(urlsplit(left.headers["Location"]).query)
    assert back["step"] == ["2"]
    assert back["payment_intent"] == [intent.id]
    assert back["payment_intent_client_secret"] == [intent.client_secret]
    after = await client.v1.payment_intents.retrieve_async(intent.id)
    assert after.status == status
    if answer == "fail":
        assert after.last_payment_error is not None
        assert after.last_payment_error.code == "payment_intent_authentication_failure"
        await receiver.until(lambda got: "payment_intent.payment_failed" in got.types())
    else:
        await receiver.until(lambda got: "payment_intent.succeeded" in got.types())
    assert "payment_intent.requires_action" in receiver.types()


async def test_an_abandoned_challenge_can_be_cancelled_and_answered_no_more(
    client: stripe.StripeClient,
) -> None:
    """E031: requires_action never completed."""
    intent = await challenged(client)
    page = page_of(intent)
    await client.v1.payment_intents.cancel_async(intent.id)

    async with httpx.AsyncClient() as browser:
        late = await browser.post(page, data={"answer": "approve"})
        stranger = await browser.get(page.replace("client_secret=pi_", "client_secret=xx_"))

    assert late.status_code == 200
    assert "canceled" in late.text
    assert stranger.status_code == 404
    assert (await client.v1.payment_intents.retrieve_async(intent.id)).status == "canceled"


async def test_without_the_buyer_the_card_is_declined(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.CardError) as declined:
        await challenged(client, off_session=True)

    assert declined.value.code == "authentication_required"


async def test_without_a_return_url_the_challenge_is_for_stripe_js(client: stripe.StripeClient) -> None:
    params: Any = {
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "return_url": "",
    }
    intent = await challenged(client, **params)

    assert intent.next_action is not None
    assert intent.next_action.type == "use_stripe_sdk"


async def test_manual_confirmation_takes_a_second_confirm(client: stripe.StripeClient) -> None:
    intent = await challenged(client, confirmation_method="manual")
    async with httpx.AsyncClient() as browser:
        await browser.post(page_of(intent), data={"answer": "approve"})
    waiting = await client.v1.payment_intents.retrieve_async(intent.id)
    assert waiting.status == "requires_confirmation"

    paid = await client.v1.payment_intents.confirm_async(intent.id, {"return_url": BACK})

    assert paid.status == "succeeded"

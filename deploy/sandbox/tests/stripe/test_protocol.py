"""Keys, idempotency, headers and paths: what every call has in common."""

import asyncio
import base64
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import stripe
from starlette.applications import Starlette

from threadly_sandbox.journal import Journal
from threadly_sandbox.settings import SandboxSettings
from threadly_sandbox.stripe import idempotency
from threadly_sandbox.stripe.app import create_app

BROWSER = {"Authorization": "Bearer pk_test_sandbox", "Origin": "http://shop.example"}
ORDER: Any = {
    "amount": 4200,
    "currency": "eur",
    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
}


async def test_a_repeated_request_gets_the_first_answer(client: stripe.StripeClient) -> None:
    once = await client.v1.payment_intents.create_async(ORDER, {"idempotency_key": "order-7"})
    again = await client.v1.payment_intents.create_async(ORDER, {"idempotency_key": "order-7"})

    assert again.id == once.id
    assert again.last_response is not None
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert len((await client.v1.payment_intents.list_async()).data) == 1


async def test_a_decline_is_remembered_too(client: stripe.StripeClient) -> None:
    params = ORDER | {"payment_method": "pm_card_chargeDeclined", "confirm": True}
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            await client.v1.payment_intents.create_async(params, {"idempotency_key": "order-8"})

    assert len((await client.v1.charges.list_async()).data) == 1


async def test_a_key_with_other_parameters_is_refused(client: stripe.StripeClient) -> None:
    await client.v1.payment_intents.create_async(ORDER, {"idempotency_key": "order-9"})

    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        await client.v1.payment_intents.create_async(ORDER | {"amount": 4300}, {"idempotency_key": "order-9"})


async def test_a_request_that_failed_validation_does_not_use_up_its_key(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.payment_intents.create_async(ORDER | {"amount": 1}, {"idempotency_key": "order-10"})

    created = await client.v1.payment_intents.create_async(ORDER, {"idempotency_key": "order-10"})
    assert created.amount == 4200


async def test_a_key_is_forgotten_after_a_day(
    client: stripe.StripeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = await client.v1.payment_intents.create_async(ORDER, {"idempotency_key": "order-11"})
    tomorrow = int(time.time()) + idempotency.KEPT_FOR
    monkeypatch.setattr(idempotency, "now", lambda: tomorrow)

    again = await client.v1.payment_intents.create_async(ORDER, {"idempotency_key": "order-11"})

    assert again.id != once.id


class TestSlowNetwork:
    @pytest.fixture
    def app(self, settings: SandboxSettings) -> Starlette:
        return create_app(settings.model_copy(update={"stripe_latency_ms": 300}), Journal())

    async def test_a_key_in_use_is_a_conflict_which_the_client_retries(self, url: str) -> None:
        async with httpx.AsyncClient(base_url=url, auth=("sk_test_sandbox", "")) as http:
            headers = {"Idempotency-Key": "order-12"}
            body = {"amount": "4200", "currency": "eur"}
            answers = await asyncio.gather(
                *(http.post("/v1/payment_intents", data=body, headers=headers) for _ in range(3))
            )

            assert sorted(each.status_code for each in answers) == [200, 409, 409]
            refused = next(each for each in answers if each.status_code == 409)
            assert refused.json()["error"]["code"] == "idempotency_key_in_use"

    async def test_the_clients_own_retries_end_with_one_intent(
        self, url: str, connect: Callable[..., stripe.StripeClient]
    ) -> None:
        client = connect(url, max_network_retries=4)
        options: Any = {"idempotency_key": "order-13"}
        first, second = await asyncio.gather(
            *(client.v1.payment_intents.create_async(ORDER, options) for _ in range(2))
        )
        assert first.id == second.id


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        ("sk_test_somebody_else", stripe.AuthenticationError, "Invalid API Key provided"),
        ("pk_test_sandbox", stripe.PermissionError, "publishable"),
    ],
)
async def test_other_keys_open_nothing(
    url: str,
    connect: Callable[..., stripe.StripeClient],
    key: str,
    error: type[stripe.StripeError],
    message: str,
) -> None:
    client = connect(url, key)

    with pytest.raises(error, match=message) as refused:
        await client.v1.payment_intents.create_async(ORDER)
    assert "somebody" not in str(refused.value)


async def test_no_key_and_curls_basic_key(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        assert (await http.get("/v1/events")).status_code == 401
        basic = base64.b64encode(b"sk_test_sandbox:").decode()
        answer = await http.get("/v1/events", headers={"Authorization": f"Basic {basic}"})
        assert answer.status_code == 200
        broken = await http.get("/v1/events", headers={"Authorization": "Basic ***"})
        assert broken.status_code == 401


async def test_answers_carry_the_request_id_and_the_version_asked_for(client: stripe.StripeClient) -> None:
    listed = await client.v1.events.list_async({}, {"stripe_version": "2099-01-01.test"})

    assert listed.last_response is not None
    assert str(listed.last_response.request_id).startswith("req_")
    assert listed.last_response.headers["Stripe-Version"] == "2099-01-01.test"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.charges.retrieve_async("ch_nobody")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    assert str(refused.value.request_id).startswith("req_")


async def test_unknown_paths_answer_in_stripes_shape(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, auth=("sk_test_sandbox", "")) as http:
        for answer in (await http.get("/v1/nothing"), await http.put("/v1/events")):
            assert answer.status_code == 404
            assert answer.json()["error"]["type"] == "invalid_request_error"
        garbled = await http.post("/v1/payment_intents", content="a[=1")
        assert garbled.status_code == 400


async def test_a_browser_confirms_with_the_client_secret(client: stripe.StripeClient, url: str) -> None:
    intent = await client.v1.payment_intents.create_async(ORDER)
    path = f"/v1/payment_intents/{intent.id}"
    async with httpx.AsyncClient(base_url=url, headers=BROWSER) as browser:
        preflight = await browser.options(
            f"{path}/confirm",
            headers={
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization",
            },
        )
        assert preflight.headers["Access-Control-Allow-Origin"] == "*"

        assert (await browser.get(path)).status_code == 400
        assert (await browser.get(path, params={"client_secret": "guess"})).status_code == 400
        confirmed = await browser.post(
            f"{path}/confirm",
            data={
                "client_secret": str(intent.client_secret),
                "payment_method_data[type]": "card",
                "payment_method_data[card][number]": "4242424242424242",
                "payment_method_data[card][exp_month]": "12",
                "payment_method_data[card][exp_year]": "2034",
            },
        )

    assert confirmed.status_code == 200, confirmed.text
    assert confirmed.json()["status"] == "succeeded"
    assert confirmed.headers["Access-Control-Allow-Origin"] == "*"

"""Events and their delivery."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stripe
from starlette.applications import Starlette

from threadly_sandbox.documents import Documents
from threadly_sandbox.journal import Journal
from threadly_sandbox.settings import SandboxSettings
from threadly_sandbox.stripe.app import create_app
from threadly_sandbox.stripe.signing import sign
from threadly_sandbox.testing import Receiver, provided, receiving
from threadly_sandbox.webhooks import Courier, Plan, RetrySchedule

ORDER: Any = {"amount": 4200, "currency": "eur"}


def courier_of(app: Starlette) -> Courier:
    courier: Courier = app.state.courier
    return courier


async def test_deliveries_are_signed_so_that_stripes_library_accepts_them(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    intent = await client.v1.payment_intents.create_async(ORDER, {"idempotency_key": "order-7"})
    await receiver.until(lambda got: len(got.received) == 1)

    [delivery] = receiver.received
    assert delivery.path == "/v1/webhooks/stripe"
    signature = delivery.headers["stripe-signature"]
    event = client.construct_event(delivery.body, signature, "whsec_sandbox")
    assert (event.type, event.data.object["id"]) == ("payment_intent.created", intent.id)
    assert event.request is not None
    assert event.request.idempotency_key == "order-7"
    with pytest.raises(stripe.SignatureVerificationError):
        client.construct_event(delivery.body + b" ", signature, "whsec_sandbox")
    with pytest.raises(stripe.SignatureVerificationError):
        client.construct_event(delivery.body, signature, "whsec_other")


async def test_a_refused_delivery_is_tried_again_until_it_is_taken(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    receiver.answers.extend([503, 302])

    await client.v1.payment_intents.create_async(ORDER)
    await receiver.until(lambda got: len(got.received) == 3)

    assert len({each.event["id"] for each in receiver.received}) == 1
    [event] = (await client.v1.events.list_async()).data
    while event.pending_webhooks:  # marked delivered as soon as the 204 is read
        event = await client.v1.events.retrieve_async(event.id)
    assert (await client.v1.events.list_async({"delivery_success": False})).data == []


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_delivery_that_is_never_taken_is_given_up(receiver: Receiver, attempts: int) -> None:
    documents, journal = Documents(), Journal()
    courier = Courier(
        "Stripe",
        documents=documents,
        journal=journal,
        sign=sign,
        schedule=RetrySchedule(first=0.01, longest=0.02, attempts=attempts),
    )
    receiver.answers.extend([500] * 10)
    entries = journal.subscribe()
    async with courier.running():
        with documents.transaction():
            endpoint = {"id": "we_1", "url": receiver.url, "secret": "s"}
            courier.post(message_id="evt_1", endpoint=endpoint, body=b'{"type": "x"}', label="x")
        async with asyncio.timeout(10):
            async for entry in entries:
                if "given up" in entry.summary:
                    break

    assert len(receiver.received) == attempts
    assert courier.status()["undelivered"] == 0


def test_the_pauses_double_up_to_the_longest() -> None:
    schedule = RetrySchedule()

    assert [schedule.pause_after(attempt) for attempt in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]
    assert sum(schedule.pause_after(attempt) for attempt in range(1, schedule.attempts)) > 3600


async def test_deliveries_can_be_duplicated(
    app: Starlette, client: stripe.StripeClient, receiver: Receiver
) -> None:
    courier_of(app).plan = Plan(duplicate=2)

    await client.v1.payment_intents.create_async(ORDER)

    await receiver.until(lambda got: len(got.received) == 3)
    assert len({each.event["id"] for each in receiver.received}) == 1


async def test_deliveries_can_be_reordered(
    app: Starlette, client: stripe.StripeClient, receiver: Receiver
) -> None:
    courier_of(app).plan = Plan(reorder=3)

    paid: Any = ORDER | {"payment_method": "pm_card_visa", "confirm": True, "return_url": "http://127.0.0.1"}
    await client.v1.payment_intents.create_async(paid)

    await receiver.until(lambda got: len(got.received) == 3)
    assert receiver.types() == ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]


async def test_a_short_batch_leaves_when_its_window_closes(
    app: Starlette, client: stripe.StripeClient, receiver: Receiver
) -> None:
    courier_of(app).plan = Plan(reorder=100, reorder_window_ms=50, delay_ms=20)

    await client.v1.payment_intents.create_async(ORDER)

    await receiver.until(lambda got: len(got.received) == 1)


async def test_dropped_deliveries_are_found_by_reading_the_events(
    app: Starlette, client: stripe.StripeClient, receiver: Receiver
) -> None:
    courier_of(app).plan = Plan(drop=1)
    lost = await client.v1.payment_intents.create_async(ORDER)
    seen = await client.v1.payment_intents.create_async(ORDER)

    await receiver.until(lambda got: len(got.received) == 1)

    assert receiver.received[0].event["data"]["object"]["id"] == seen.id
    assert courier_of(app).status()["dropped"] == 1
    [unheard] = (await client.v1.events.list_async({"delivery_success": False})).data
    assert unheard.data.object["id"] == lost.id


async def test_events_are_filtered_by_type_and_time_and_walked_forwards(client: stripe.StripeClient) -> None:
    """The reconciling client remembers the last id and walks on with `ending_before`."""
    first = await client.v1.payment_intents.create_async(ORDER)
    mark = (await client.v1.events.list_async({"limit": 1})).data[0]
    await client.v1.payment_intents.cancel_async(first.id)
    await client.v1.payment_intents.create_async(ORDER)

    newer = await client.v1.events.list_async({"ending_before": mark.id, "limit": 1})
    walked = [each.type async for each in newer.auto_paging_iter()]
    assert walked == ["payment_intent.canceled", "payment_intent.created"]

    types: Any = {"types": ["payment_intent.canceled", "payment_intent.succeeded"]}
    assert [each.type for each in (await client.v1.events.list_async(types)).data] == [
        "payment_intent.canceled"
    ]
    since: Any = {"created": {"gte": mark.created}}
    assert len((await client.v1.events.list_async(since)).data) == 3
    assert (await client.v1.events.list_async({"created": {"gt": mark.created + 60}})).data == []
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        await client.v1.events.list_async({"starting_after": "evt_nobody"})
    assert unknown.value.param == "starting_after"


async def test_endpoints_get_the_types_they_ask_for_with_their_own_secret(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    async with receiving() as other:
        endpoint = await client.v1.webhook_endpoints.create_async(
            {"url": f"{other.url}/mine", "enabled_events": ["payment_intent.canceled"]}
        )
        assert endpoint.secret is not None
        again = await client.v1.webhook_endpoints.retrieve_async(endpoint.id)
        assert getattr(again, "secret", None) is None

        intent = await client.v1.payment_intents.create_async(ORDER)
        await client.v1.payment_intents.cancel_async(intent.id)
        await other.until(lambda got: len(got.received) == 1)
        await receiver.until(lambda got: len(got.received) == 2)

        [delivery] = other.received
        signature = delivery.headers["stripe-signature"]
        assert (
            client.construct_event(delivery.body, signature, endpoint.secret).type
            == "payment_intent.canceled"
        )

        await client.v1.webhook_endpoints.delete_async(endpoint.id)
        await client.v1.payment_intents.cancel_async((await client.v1.payment_intents.create_async(ORDER)).id)
        await receiver.until(lambda got: len(got.received) == 4)
        assert len(other.received) == 1


async def test_state_and_undelivered_webhooks_survive_a_restart(
    tmp_path: Path, connect: Callable[..., stripe.StripeClient]
) -> None:
    async with receiving() as receiver:
        receiver.answers.extend([503])
        settings = SandboxSettings(public_url=receiver.url, data_dir=tmp_path)
        async with provided(create_app, settings) as url:
            client = connect(url)
            intent = await client.v1.payment_intents.create_async(ORDER, {"idempotency_key": "order-7"})
            await receiver.until(lambda got: len(got.received) == 1)

        async with provided(create_app, settings) as url:
            client = connect(url)
            again = await client.v1.payment_intents.create_async(ORDER, {"idempotency_key": "order-7"})
            await receiver.until(lambda got: len(got.received) == 2)

    assert again.id == intent.id
    assert json.loads(receiver.received[1].body)["data"]["object"]["id"] == intent.id

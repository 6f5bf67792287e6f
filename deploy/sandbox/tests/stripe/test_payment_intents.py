"""The PaymentIntent state machine, met through Stripe's own client."""

from typing import Any

import pytest
import stripe
from stripe.params import PaymentIntentCreateParams

from threadly_sandbox.testing import Receiver

NO_REDIRECTS: Any = {"enabled": True, "allow_redirects": "never"}


def order(**more: Any) -> PaymentIntentCreateParams:
    params: Any = {"amount": 4200, "currency": "EUR", "automatic_payment_methods": NO_REDIRECTS} | more
    return params  # type: ignore[no-any-return]


async def test_a_card_that_works_pays_at_once(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = await client.v1.payment_intents.create_async(
        order(payment_method="pm_card_visa", confirm=True, metadata={"order_id": "7"})
    )

    assert (intent.status, intent.amount_received, intent.currency) == ("succeeded", 4200, "eur")
    assert isinstance(intent.latest_charge, str)
    charge = await client.v1.charges.retrieve_async(intent.latest_charge)
    assert (charge.paid, charge.captured, charge.metadata["order_id"]) == (True, True, "7")
    await receiver.until(lambda got: len(got.received) == 3)
    assert sorted(receiver.types()) == [
        "charge.succeeded",
        "payment_intent.created",
        "payment_intent.succeeded",
    ]


async def test_the_steps_can_be_taken_one_by_one(client: stripe.StripeClient) -> None:
    intents = client.v1.payment_intents
    created = await intents.create_async(order())
    assert created.status == "requires_payment_method"

    updated = await intents.update_async(created.id, {"payment_method": "pm_card_visa", "amount": 5000})
    assert (updated.status, updated.amount) == ("requires_confirmation", 5000)

    confirmed = await intents.confirm_async(created.id)
    assert (confirmed.status, confirmed.amount_received) == ("succeeded", 5000)


@pytest.mark.parametrize(
    ("method", "code", "decline_code", "message"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline", "Your card was declined."),
        (
            "pm_card_chargeDeclinedInsufficientFunds",
            "card_declined",
            "insufficient_funds",
            "Your card has insufficient funds.",
        ),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card", "Your card has expired."),
        (
            "pm_card_chargeDeclinedIncorrectCvc",
            "incorrect_cvc",
            "incorrect_cvc",
            "Your card's security code is incorrect.",
        ),
    ],
)
async def test_a_decline_says_why_and_leaves_the_intent_open(
    client: stripe.StripeClient, receiver: Receiver, method: str, code: str, decline_code: str, message: str
) -> None:
    intent = await client.v1.payment_intents.create_async(order())

    with pytest.raises(stripe.CardError) as declined:
        await client.v1.payment_intents.confirm_async(intent.id, {"payment_method": method})

    assert declined.value.http_status == 402
    assert declined.value.code == code
    assert declined.value.user_message == message
    error: Any = declined.value.error
    assert error.decline_code == decline_code
    assert error.payment_intent.id == intent.id
    again = await client.v1.payment_intents.retrieve_async(intent.id)
    assert (again.status, again.payment_method) == ("requires_payment_method", None)
    assert again.last_payment_error is not None
    assert again.last_payment_error.message == message
    await receiver.until(lambda got: "payment_intent.payment_failed" in got.types())
    assert "charge.failed" in receiver.types()

    paid = await client.v1.payment_intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})
    assert (paid.status, paid.last_payment_error) == ("succeeded", None)


async def test_money_can_be_reserved_and_taken_later(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = await client.v1.payment_intents.create_async(
        order(capture_method="manual", payment_method="pm_card_visa", confirm=True)
    )
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 4200)

    captured = await client.v1.payment_intents.capture_async(intent.id, {"amount_to_capture": 4000})

    assert (captured.status, captured.amount_received, captured.amount_capturable) == ("succeeded", 4000, 0)
    await receiver.until(lambda got: "payment_intent.succeeded" in got.types())
    assert "payment_intent.amount_capturable_updated" in receiver.types()


async def test_reserved_money_is_released_by_cancelling(client: stripe.StripeClient) -> None:
    intent = await client.v1.payment_intents.create_async(
        order(capture_method="manual", payment_method="pm_card_visa", confirm=True)
    )

    canceled = await client.v1.payment_intents.cancel_async(intent.id, {"cancellation_reason": "abandoned"})

    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    charge = await client.v1.charges.retrieve_async(str(intent.latest_charge))
    assert (charge.refunded, charge.amount_refunded) == (True, 4200)


async def test_wrong_states_are_refused_with_the_intent_in_the_error(client: stripe.StripeClient) -> None:
    """R: cancel races with success; the loser re-reads the intent from the error."""
    intents = client.v1.payment_intents
    paid = await intents.create_async(order(payment_method="pm_card_visa", confirm=True))
    gone = await intents.cancel_async((await intents.create_async(order())).id)
    bare = await intents.create_async(order())

    for call in (
        intents.cancel_async(paid.id),
        intents.confirm_async(paid.id),
        intents.capture_async(paid.id),
        intents.update_async(paid.id, {"amount": 5000}),
        intents.confirm_async(gone.id, {"payment_method": "pm_card_visa"}),
        intents.cancel_async(gone.id),
        intents.confirm_async(bare.id),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await call
        assert refused.value.http_status == 400
        assert refused.value.code == "payment_intent_unexpected_state"
        error: Any = refused.value.error
        assert error.payment_intent.status in {"succeeded", "canceled", "requires_payment_method"}


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"currency": "eur"}, "parameter_missing", "amount"),
        ({"amount": 100}, "parameter_missing", "currency"),
        ({"amount": 49, "currency": "eur"}, "amount_too_small", "amount"),
        ({"amount": 100_000_000, "currency": "eur"}, "amount_too_large", "amount"),
        ({"amount": "ten", "currency": "eur"}, "parameter_invalid_integer", "amount"),
        ({"amount": -5, "currency": "eur"}, "parameter_invalid_integer", "amount"),
        ({"amount": 5005, "currency": "bhd"}, "parameter_invalid_integer", "amount"),
        ({"amount": 500, "currency": "zzz"}, None, "currency"),
        ({"amount": 500, "currency": "eur", "colour": "red"}, "parameter_unknown", "colour"),
        ({"amount": 500, "currency": "eur", "metadata": {"k" * 41: "v"}}, None, f"metadata[{'k' * 41}]"),
        (
            {"amount": 500, "currency": "eur", "automatic_payment_methods": {"enabled": True, "x": 1}},
            "parameter_unknown",
            "automatic_payment_methods[x]",
        ),
        (
            {"amount": 500, "currency": "eur", "payment_method": "pm_nobody"},
            "resource_missing",
            "payment_method",
        ),
        ({"amount": 500, "currency": "eur", "expand": ["colour"]}, None, "expand"),
        ({"amount": 500, "currency": "eur", "return_url": "http://x"}, None, "return_url"),
    ],
)
async def test_what_does_not_fit_is_refused_by_name(
    client: stripe.StripeClient, params: Any, code: str | None, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.payment_intents.create_async(params)

    assert (refused.value.code, refused.value.param) == (code, param)
    listed = await client.v1.payment_intents.list_async()
    assert listed.data == []


async def test_redirecting_methods_need_a_way_back(client: stripe.StripeClient) -> None:
    params: Any = {"amount": 4200, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True}

    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        await client.v1.payment_intents.create_async(params)

    paid = await client.v1.payment_intents.create_async(params | {"return_url": "http://127.0.0.1/back"})
    assert paid.status == "succeeded"


async def test_references_are_ids_unless_expanded(client: stripe.StripeClient) -> None:
    intent = await client.v1.payment_intents.create_async(
        order(payment_method="pm_card_mastercard", confirm=True, expand=["latest_charge", "payment_method"])
    )

    assert isinstance(intent.latest_charge, stripe.Charge)
    assert isinstance(intent.payment_method, stripe.PaymentMethod)
    assert intent.payment_method.card is not None
    assert intent.payment_method.card.brand == "mastercard"
    plain = await client.v1.payment_intents.retrieve_async(intent.id)
    assert plain.latest_charge == intent.latest_charge.id


async def test_metadata_is_merged_and_an_empty_value_removes(client: stripe.StripeClient) -> None:
    intent = await client.v1.payment_intents.create_async(order(metadata={"a": "1", "b": "2", "0": "zero"}))

    changed = await client.v1.payment_intents.update_async(intent.id, {"metadata": {"a": "", "c": "3"}})

    assert changed.metadata.to_dict() == {"b": "2", "c": "3", "0": "zero"}


async def test_lists_page_in_both_directions(client: stripe.StripeClient) -> None:
    created = [(await client.v1.payment_intents.create_async(order())).id for _ in range(7)]

    first = await client.v1.payment_intents.list_async({"limit": 3})
    assert ([each.id for each in first.data], first.has_more) == (created[:3:-1], True)
    everything = [each.id async for each in first.auto_paging_iter()]
    assert everything == created[::-1]

    newer = await client.v1.payment_intents.list_async({"limit": 2, "ending_before": created[2]})
    assert ([each.id for each in newer.data], newer.has_more) == ([created[4], created[3]], True)
    assert [each.id async for each in newer.auto_paging_iter()] == created[3:]


async def test_cards_with_test_numbers_work_like_the_ready_made_ones(client: stripe.StripeClient) -> None:
    method = await client.v1.payment_methods.create_async(
        {
            "type": "card",
            "card": {"number": "4000 0000 0000 9995", "exp_month": 1, "exp_year": 2035, "cvc": "1"},
        }
    )
    with pytest.raises(stripe.CardError) as declined:
        await client.v1.payment_intents.create_async(order(payment_method=method.id, confirm=True))
    error: Any = declined.value.error
    assert error.decline_code == "insufficient_funds"

    with pytest.raises(stripe.CardError) as unknown:
        await client.v1.payment_methods.create_async(
            {"type": "card", "card": {"number": "4000000000000001", "exp_month": 1, "exp_year": 2035}}
        )
    assert unknown.value.code == "incorrect_number"


async def test_a_customers_card_stays_with_the_customer(client: stripe.StripeClient) -> None:
    customer = await client.v1.customers.create_async({"email": "ada@example.com", "name": "Ada"})
    method = await client.v1.payment_methods.attach_async("pm_card_visa", {"customer": customer.id})
    mine = await client.v1.payment_methods.list_async({"customer": customer.id})
    assert [each.id for each in mine.data] == [method.id]

    paid = await client.v1.payment_intents.create_async(
        order(customer=customer.id, payment_method=method.id, confirm=True)
    )
    assert paid.status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError, match="different customer"):
        await client.v1.payment_intents.create_async(order(payment_method=method.id))

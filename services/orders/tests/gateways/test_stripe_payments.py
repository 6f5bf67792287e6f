from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import stripe

from threadly_contracts import Money
from threadly_orders.domain.errors import AmountNotChargeable
from threadly_orders.domain.provider import RefundStatus
from threadly_orders.gateways.payments import (
    IntentRequest,
    IntentStatus,
    PaymentOutcomeUnknown,
    PaymentRefused,
    PaymentsUnavailable,
)
from threadly_orders.gateways.stripe_payments import API_VERSION, StripePayments

pytestmark = pytest.mark.integration


@pytest.fixture
async def gateway(provider: Any) -> AsyncIterator[StripePayments]:
    made = _gateway(provider.url)
    yield made
    await made.close()


def _gateway(url: str, deadline: timedelta = timedelta(seconds=10)) -> StripePayments:
    return StripePayments(
        api_url=url, secret_key="sk_test_sandbox", webhook_secret="whsec_sandbox", deadline=deadline
    )


def _wanted(currency: str = "EUR", minor: int = 2550) -> IntentRequest:
    return IntentRequest(
        checkout_id=uuid4(),
        product_id=uuid4(),
        buyer_id=uuid4(),
        price=Money(amount_minor=minor, currency=currency),
    )


def test_the_pinned_version_is_the_sdks() -> None:
    """Providers §6: an upgrade of either is a deliberate act."""
    assert stripe.api_version == API_VERSION


@pytest.mark.parametrize(("currency", "minor", "amount"), [("JPY", 500, 500), ("ISK", 500, 50_000)])
async def test_amounts_arrive_in_stripes_units(
    gateway: StripePayments, currency: str, minor: int, amount: int
) -> None:
    """E047."""
    intent = await gateway.create_intent(_wanted(currency, minor))
    assert (intent.amount, intent.currency) == (amount, currency)


async def test_a_checkout_has_one_intent(gateway: StripePayments) -> None:
    """CO-06: the checkout's id is the key; another amount under it is refused."""
    wanted = _wanted()
    first = await gateway.create_intent(wanted)
    assert (await gateway.create_intent(wanted)).id == first.id
    dearer = IntentRequest(
        checkout_id=wanted.checkout_id,
        product_id=wanted.product_id,
        buyer_id=wanted.buyer_id,
        price=Money(amount_minor=9900, currency="EUR"),
    )
    with pytest.raises(PaymentRefused):
        await gateway.create_intent(dearer)
    with pytest.raises(AmountNotChargeable):
        await gateway.create_intent(_wanted("KWD", 1234))


async def test_the_secret_does_not_show(gateway: StripePayments) -> None:
    """CO-07: an intent in a log line or a traceback keeps its secret."""
    intent = await gateway.create_intent(_wanted())
    assert intent.client_secret
    assert intent.client_secret not in repr(intent)


async def test_cancelling_answers_with_the_state_that_is(gateway: StripePayments, provider: Any) -> None:
    """E032: cancelled, cancelled before, or paid already."""
    intent = await gateway.create_intent(_wanted())
    assert (await gateway.cancel_intent(intent.id)).status is IntentStatus.CANCELED
    assert (await gateway.cancel_intent(intent.id)).status is IntentStatus.CANCELED
    paid = await gateway.create_intent(_wanted())
    await provider.client.v1.payment_intents.confirm_async(paid.id, {"payment_method": "pm_card_visa"})
    assert (await gateway.cancel_intent(paid.id)).status is IntentStatus.SUCCEEDED


async def test_a_refund_happens_once_even_when_its_key_is_forgotten(
    gateway: StripePayments, provider: Any
) -> None:
    """Stripe keeps a key for a day; what is refunded already is found."""
    intent = await gateway.create_intent(_wanted())
    await provider.client.v1.payment_intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})
    first = await gateway.refund_intent(intent.id, key="k")
    assert first.status is RefundStatus.SUCCEEDED
    assert await gateway.refund_intent(intent.id, key="k") == first
    assert await gateway.refund_intent(intent.id, key="another") == first
    assert await gateway.retrieve_refund(first.id) == first


async def test_a_decline_names_its_reason_and_its_try(gateway: StripePayments, provider: Any) -> None:
    """R-ORD-13: two tries are told apart."""
    intent = await gateway.create_intent(_wanted())
    failures = []
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            await provider.client.v1.payment_intents.confirm_async(
                intent.id, {"payment_method": "pm_card_chargeDeclinedInsufficientFunds"}
            )
        failures.append((await gateway.retrieve_intent(intent.id)).failure)
    assert [failure and failure.code for failure in failures] == ["insufficient_funds"] * 2
    assert failures[0] != failures[1]


async def test_faults_have_names(gateway: StripePayments, provider: Any) -> None:
    """Providers §6: transient, refused and unknown are told apart."""
    provider.faults.plan = provider.faults.plan.model_copy(update={"times": 3})
    with pytest.raises(PaymentsUnavailable):
        await gateway.retrieve_intent("pi_1")
    with pytest.raises(PaymentRefused) as refused:
        await gateway.retrieve_intent("pi_that_is_not_there")
    assert refused.value.reason == "resource_missing"
    nobody = _gateway("http://127.0.0.1:9")
    with pytest.raises(PaymentOutcomeUnknown):
        await nobody.retrieve_intent("pi_1")
    await nobody.close()


async def test_a_call_has_a_deadline(provider: Any) -> None:
    """Providers §6: ours, not the SDK's 80 seconds."""
    hasty = _gateway(provider.url, timedelta(milliseconds=100))
    provider.faults.plan = provider.faults.plan.model_copy(update={"times": 1, "delay_ms": 2000})
    with pytest.raises(PaymentOutcomeUnknown):
        await hasty.retrieve_intent("pi_1")
    await hasty.close()


async def test_a_wrong_key_waits_for_its_mending(provider: Any) -> None:
    """Messages wait on the ladder instead of dying of a wrong setting."""
    stranger = StripePayments(
        api_url=provider.url, secret_key="sk_test_wrong", webhook_secret="w", deadline=timedelta(seconds=5)
    )
    with pytest.raises(PaymentsUnavailable, match="key"):
        await stranger.retrieve_intent("pi_1")
    await stranger.close()


async def test_intents_are_listed_since_a_moment(gateway: StripePayments) -> None:
    """The reconciler's view."""
    made = {(await gateway.create_intent(_wanted())).id for _ in range(3)}
    for since, expected in ((timedelta(hours=-1), made), (timedelta(hours=1), set())):
        async with aclosing(gateway.intents_since(datetime.now(UTC) + since)) as intents:
            assert {intent.id async for intent in intents} == expected

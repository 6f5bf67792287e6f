from typing import Any

import pytest
import stripe

from threadly_sandbox.testing import Receiver


async def pay(client: stripe.StripeClient, method: str = "pm_card_visa") -> stripe.PaymentIntent:
    params: Any = {
        "amount": 4200,
        "currency": "eur",
        "payment_method": method,
        "confirm": True,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
    }
    return await client.v1.payment_intents.create_async(params)


async def test_partial_refunds_add_up_and_no_more(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = await pay(client)
    refunds = client.v1.refunds

    first = await refunds.create_async({"payment_intent": intent.id, "amount": 1200, "metadata": {"r": "1"}})
    assert (first.status, first.amount, first.payment_intent) == ("succeeded", 1200, intent.id)
    charge = await client.v1.charges.retrieve_async(str(intent.latest_charge), {"expand": ["refunds"]})
    assert (charge.amount_refunded, charge.refunded) == (1200, False)
    assert charge.refunds is not None
    assert [each.id for each in charge.refunds.data] == [first.id]

    with pytest.raises(stripe.InvalidRequestError) as too_much:
        await refunds.create_async({"payment_intent": intent.id, "amount": 3001})
    assert too_much.value.param == "amount"

    rest = await refunds.create_async({"charge": charge.id, "reason": "requested_by_customer"})
    assert rest.amount == 3000
    with pytest.raises(stripe.InvalidRequestError) as twice:
        await refunds.create_async({"payment_intent": intent.id})
    assert twice.value.code == "charge_already_refunded"

    listed = await refunds.list_async({"payment_intent": intent.id})
    assert [each.id for each in listed.data] == [rest.id, first.id]
    await receiver.until(lambda got: got.types().count("charge.refunded") == 2)
    assert receiver.types().count("refund.created") == 2


async def test_an_unpaid_intent_cannot_be_refunded(client: stripe.StripeClient) -> None:
    intent = await client.v1.payment_intents.create_async({"amount": 4200, "currency": "eur"})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async({"payment_intent": intent.id})

    assert refused.value.code == "payment_intent_unexpected_state"


async def test_a_refund_can_fail_after_it_succeeded(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = await pay(client, "pm_card_refundFail")
    refund = await client.v1.refunds.create_async({"payment_intent": intent.id})
    assert refund.status == "succeeded"

    await receiver.until(lambda got: "refund.failed" in got.types())

    later = await client.v1.refunds.retrieve_async(refund.id)
    assert (later.status, later.failure_reason) == ("failed", "expired_or_canceled_card")
    charge = await client.v1.charges.retrieve_async(str(intent.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (0, False)


async def test_a_pending_refund_settles_later(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = await pay(client, "pm_card_pendingRefund")
    refund = await client.v1.refunds.create_async({"payment_intent": intent.id})
    assert refund.status == "pending"

    await receiver.until(lambda got: "refund.updated" in got.types())

    assert (await client.v1.refunds.retrieve_async(refund.id)).status == "succeeded"
    update = next(each.event for each in receiver.received if each.type == "refund.updated")
    assert update["data"]["previous_attributes"] == {"status": "pending"}


async def test_a_dispute_arrives_after_the_payment_and_evidence_wins_it(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    """E041: dispute opened, won."""
    intent = await pay(client, "pm_card_createDisputeProductNotReceived")
    await receiver.until(lambda got: "charge.dispute.funds_withdrawn" in got.types())
    [dispute] = (await client.v1.disputes.list_async({"payment_intent": intent.id})).data
    assert (dispute.status, dispute.reason) == ("needs_response", "product_not_received")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"

    won = await client.v1.disputes.update_async(
        dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}, "submit": True}
    )

    assert won.status == "won"
    await receiver.until(lambda got: "charge.dispute.funds_reinstated" in got.types())
    with pytest.raises(stripe.InvalidRequestError, match="closed"):
        await client.v1.disputes.close_async(dispute.id)

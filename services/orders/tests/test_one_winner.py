"""Every item exists once: who gets it, when many want it at the same instant."""

import asyncio
from typing import Any

import pytest

from threadly_chassis.testing.identity import somebody

pytestmark = pytest.mark.integration

ROUNDS, BUYERS = 6, 50


@pytest.mark.timeout(300)
async def test_fifty_buyers_one_winner(shop: Any) -> None:
    """E001, E002: exactly one 201 each round, never none, never two; no intent for a loser."""
    for _ in range(ROUNDS):
        product = await shop.listed()
        buyers = [somebody() for _ in range(BUYERS)]
        answers = await asyncio.gather(*(shop.start(product.product_id, buyer=buyer) for buyer in buyers))
        won = [answer for answer in answers if answer.status_code == 201]
        lost = [answer.json()["code"] for answer in answers if answer.status_code == 409]
        assert len(won) == 1
        assert lost == ["item_reserved"] * (BUYERS - 1)
    assert len((await shop.stripe.v1.payment_intents.list_async({"limit": 100})).data) == ROUNDS
    assert await shop.post.types() == ["checkout_started"] * ROUNDS


async def test_confirm_webhook_and_cancel_at_once_have_one_winner(shop: Any) -> None:
    """R-ORD-14, E032: one order whoever is first, and everybody is told the same."""
    for _ in range(5):
        checkout = await shop.started((await shop.listed()).product_id)
        await shop.pay(checkout)
        await asyncio.gather(
            *(shop.act(checkout["id"], "confirm") for _ in range(4)),
            *(shop.act(checkout["id"], "cancel") for _ in range(2)),
            shop.hears("payment_intent.succeeded"),
        )
        assert await shop.status(checkout) == "COMPLETED"
    assert await shop.count("orders") == 5
    assert (await shop.post.types()).count("order_confirmed") == 5
    assert await shop.refunds() == []


async def test_a_withdrawal_and_a_checkout_at_once_leave_no_hold_on_nothing(shop: Any) -> None:
    """E010: whichever is first, nobody holds an item that is withdrawn."""
    for _ in range(10):
        product = await shop.listed()
        answer, _ = await asyncio.gather(shop.start(product.product_id), shop.withdrawn(product))
        held = await shop.rows(
            "select 1 from checkout where product_id = :id and status in ('OPEN', 'PAYMENT_FAILED')",
            id=product.product_id,
        )
        assert not held, answer.text

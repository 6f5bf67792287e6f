"""Whatever happens in whatever order: one order at most per item; each capture is one order or one refund."""

import asyncio
import random
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import stripe

from threadly_chassis.testing.identity import somebody
from threadly_orders.gateways.payments import PaymentsUnavailable
from threadly_orders.use_cases.expire_checkouts import expire_checkouts
from threadly_orders.use_cases.poll_stripe import poll_stripe
from threadly_orders.use_cases.sweep_checkouts import sweep_checkouts

pytestmark = pytest.mark.integration

STEPS = 40
CARDS = ("pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined", "pm_card_threeDSecure2Required")


class Chaos:
    """Buyers, Stripe, catalog and the clock, each doing what it likes; `seed` repeats a story."""

    def __init__(self, shop: Any, seed: int) -> None:
        self.shop = shop
        self.dice = random.Random(seed)  # noqa: S311 - a story to repeat, not a secret
        self.buyers = [somebody() for _ in range(3)]
        self.checkouts: list[tuple[Any, dict[str, Any]]] = []
        self.products: list[Any] = []
        self.version = 10

    async def run(self) -> None:
        moves = {
            self.start: 6,
            self.pay: 6,
            self.confirm: 1,
            self.cancel: 1,
            self.webhooks: 2,
            self.work: 3,
            self.late: 1,
            self.catalog: 3,
            self.hiccup: 1,
        }
        for _ in range(STEPS):
            chosen = self.dice.choices(list(moves), weights=list(moves.values()), k=3)
            await asyncio.gather(*(move() for move in chosen))

    async def start(self) -> None:
        """A buyer wants one of the newest items."""
        if self.dice.random() < 0.4 or not self.products:
            self.products.append(await self.shop.listed())
        buyer = self.dice.choice(self.buyers)
        answer = await self.shop.start(self.dice.choice(self.products[-2:]).product_id, buyer=buyer)
        assert answer.status_code in {200, 201, 409, 503}, answer.text
        if answer.status_code < 300 and answer.json()["client_secret"]:
            self.checkouts.append((buyer, answer.json()))

    async def pay(self) -> None:
        if self.checkouts:
            _, checkout = self.dice.choice(self.checkouts[-3:])
            # Paid or cancelled already, or Stripe's hiccup.
            with suppress(stripe.InvalidRequestError, stripe.APIError):
                await self.shop.pay(checkout, self.dice.choice(CARDS))

    async def confirm(self) -> None:
        await self._act("confirm")

    async def cancel(self) -> None:
        await self._act("cancel")

    async def _act(self, verb: str) -> None:
        if self.checkouts:
            buyer, checkout = self.dice.choice(self.checkouts)
            answer = await self.shop.act(checkout["id"], verb, who=buyer)
            assert answer.status_code in {200, 409, 503}, answer.text

    async def webhooks(self) -> None:
        """Some of all events so far: late, lost, doubled and in any order."""
        with suppress(stripe.APIError):
            events = await self.shop.events()
            for event in self.dice.choices(events, k=min(3, len(events))):
                assert (await self.shop.webhook(event)).status_code == 204

    async def work(self) -> None:
        """The worker handles what waits; what it could not is not acknowledged and comes again."""
        before = self.shop.post.seen
        try:
            await self.shop.post.run()
        except PaymentsUnavailable:
            self.shop.post.seen = before

    async def late(self) -> None:
        self.shop.clock.move(timedelta(minutes=self.dice.choice((1, 6, 16))))
        with suppress(PaymentsUnavailable):
            await asyncio.gather(expire_checkouts(self.shop.deps), sweep_checkouts(self.shop.deps))

    async def catalog(self) -> None:
        """A seller changes the price, withdraws the item, or lists it again."""
        if not self.products:
            return
        self.version += 1
        product = self.dice.choice(self.products[-2:])
        kind = self.dice.choice(("reprice", "withdraw", "list"))
        if kind == "reprice":
            await self.shop.repriced(product, self.dice.choice((2550, 3000)), version=self.version)
        elif kind == "withdraw":
            await self.shop.withdrawn(product, version=self.version)
        else:
            await self.shop.listed(product_id=product.product_id, version=self.version)

    async def hiccup(self) -> None:
        """Stripe refuses, or loses the answer to, its next requests."""
        self.shop.breaks(times=self.dice.choice((1, 1, 3)), executed=self.dice.random() < 0.5)

    async def settle(self) -> None:
        """Peace: everything on its way arrives, and all that was said is said once more."""
        self.shop.breaks(times=0)
        await poll_stripe(self.shop.deps)
        await self.shop.post.run()
        self.shop.clock.move(timedelta(hours=1))
        await sweep_checkouts(self.shop.deps)
        await expire_checkouts(self.shop.deps)
        await poll_stripe(self.shop.deps)
        self.shop.post.seen = 0
        await self.shop.post.run()


async def _captured(shop: Any) -> dict[str, int]:
    page = await shop.stripe.v1.payment_intents.list_async({"limit": 100})
    return {intent.id: intent.amount_received for intent in page.data if intent.status == "succeeded"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(5))
async def test_money_and_items_always_match(shop: Any, seed: int) -> None:
    """Architecture §5, peers §2.4 no. 1 and 2; E016, E017, E019, E020, E022, E032."""
    chaos = Chaos(shop, seed)
    await chaos.run()
    await chaos.settle()

    sold = [row[0] for row in await shop.rows("select product_id from orders")]
    assert len(sold) == len(set(sold)), "an item was sold twice"
    orders = {row[0] for row in await shop.rows("select payment_intent_id from orders")}
    refunded: dict[str, int] = {}
    for refund in await shop.refunds():
        assert refund.payment_intent not in refunded, "refunded twice"
        refunded[str(refund.payment_intent)] = refund.amount
    captured = await _captured(shop)
    assert orders | set(refunded) == set(captured), "a capture without a counterpart, or the reverse"
    assert not orders & set(refunded), "sold and refunded"
    assert all(captured[intent] == amount for intent, amount in refunded.items()), "not refunded in full"
    facts = await shop.post.types()
    assert facts.count("order_confirmed") == len(orders)
    assert facts.count("sale_rejected") == len(refunded), "a buyer was not told"
    assert not await shop.rows("select 1 from checkout where status in ('OPEN', 'PAYMENT_FAILED')")
    versions = await shop.rows(
        "select agg_id, array_agg(agg_version order by id) from outbox_event "
        "where agg_type = 'checkout' group by 1"
    )
    assert all(found == sorted(set(found)) for _, found in versions), "a version was announced twice"

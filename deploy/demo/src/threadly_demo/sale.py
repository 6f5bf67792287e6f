"""The story of one sale (issue 2): a dress is listed, found, talked about, paid, and sold once."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import stripe

from .api import Refused
from .cast import Actor, Cast
from .listener import Listener
from .narrator import Narrator
from .waiting import expect, until

_DECLINED = "pm_card_visa_chargeDeclinedInsufficientFunds"
_GOOD = "pm_card_visa"


@dataclass
class Sale:
    """What the story was about."""

    seller: Actor
    buyer: Actor
    rival: Actor
    product_id: str = ""
    conversation_id: str = ""
    checkout: dict[str, Any] | None = None
    order_id: str = ""
    search_seconds: float = 0.0
    """From the seller's answer to the first search that finds the item."""


async def meet(cast: Cast, tell: Narrator) -> Sale:
    """Three people sign in; auth makes them on first sight."""
    async with tell.step("Selma, Bo and Rita sign in with Clerk; auth meets them for the first time"):
        sale = Sale(await cast.enter("Selma"), await cast.enter("Bo"), await cast.enter("Rita"))
        for actor in (sale.seller, sale.buyer, sale.rival):
            me = await actor.api.get("/v1/users/me")
            actor.user_id = me["id"]
            expect(that=me["email"] == actor.email, what=f"{actor.email} is known by it: {me}")
    return sale


async def list_item(cast: Cast, tell: Narrator, sale: Sale) -> None:
    """The seller lists a dress."""
    async with tell.step("Selma lists a dress: price as text, HTML in the description, two pictures"):
        category_id = await _category(cast, sale.seller)
        product = await sale.seller.api.post(
            "/v1/products",
            {
                "title": f"Red {cast.word} wrap dress",
                "description": "<p>Worn <b>once</b>.<script>alert('!')</script></p>",
                "price": "49.50",
                "category_id": category_id,
                "condition": "VERY_GOOD",
                "images": [f"{cast.world.public_url}/media/demo/{n}-0.jpg" for n in ("000", "012")],
            },
        )
        sale.product_id = product["id"]
        expect(that=product["price"]["amount_minor"] == 4950, what=f"49.50 is 4950 cents: {product['price']}")
        expect(that="script" not in product["description"], what="the script is gone")
        listed = time.monotonic()
    async with tell.step("Anybody finds it by searching, clean, with its category's and seller's names"):
        hit = await until(
            lambda: _found(cast, sale), what="the search to find it", within=cast.world.patience
        )
        sale.search_seconds = time.monotonic() - listed
        hit = await until(
            lambda: _complete(cast, sale), what="both names on the hit", within=cast.world.patience
        )
        expect(that="<" not in hit["description"], what=f"no markup in the hit: {hit['description']}")
        expect(that=hit["seller_name"] == sale.seller.name, what=f"the seller's name: {hit['seller_name']}")
        tell.remark(f"found {sale.search_seconds * 1000:.0f} ms after it was listed")


async def _category(cast: Cast, seller: Actor) -> str:
    """Any leaf category; the operator makes one where there is none."""
    tree = (await seller.api.get("/v1/categories"))["data"]
    leaves = [leaf for branch in tree for leaf in (branch["children"] or [branch])]
    if leaves:
        return str(leaves[0]["id"])
    operator = await cast.operator()
    return str((await operator.api.post("/v1/categories", {"name": "Dresses"}))["id"])


async def _found(cast: Cast, sale: Sale) -> dict[str, Any] | None:
    page = await sale.buyer.api.get("/v1/search", q=cast.word)
    return next((hit for hit in page["data"] if hit["product_id"] == sale.product_id), None)


async def _complete(cast: Cast, sale: Sale) -> dict[str, Any] | None:
    hit = await _found(cast, sale)
    return hit if hit and hit["seller_name"] and hit["category_name"] else None


async def talk(cast: Cast, tell: Narrator, sale: Sale, ears: Listener) -> None:
    """The buyer asks; the seller's browser shows it at once."""
    async with tell.step("Bo opens a conversation; Selma's browser (pusher-js) shows his message"):
        conversation = await until(
            lambda: _start_conversation(sale), what="messaging to know the item", within=cast.world.patience
        )
        sale.conversation_id = conversation["id"]
        heard = await ears.heard("message.new", lambda data: data["content"] == "Is it still there?")
        expect(that=heard["senderName"] == sale.buyer.name, what=f"the sender's name: {heard}")
    async with tell.step("They talk; the conversation's own channel carries it"):
        await ears.also(f"private-conversation-{sale.conversation_id}")
        path = f"/v1/conversations/{sale.conversation_id}/messages"
        await sale.seller.api.post(path, {"content": "Yes, and it wants to dance."})
        await sale.buyer.api.post(path, {"content": "Then I take it."})
        await ears.heard("message.new", lambda data: data["content"] == "Then I take it.")
        messages = (await sale.buyer.api.get(path))["data"]
        texts = sorted((message["sequence"], message["content_text"]) for message in messages)
        expect(
            that=[text for _, text in texts]
            == ["Is it still there?", "Yes, and it wants to dance.", "Then I take it."],
            what=f"three messages in order: {texts}",
        )


async def _start_conversation(sale: Sale) -> dict[str, Any] | None:
    body = {"product_id": sale.product_id, "content": "Is it still there?"}
    try:
        started: dict[str, Any] = await sale.buyer.api.post(
            "/v1/conversations", body, key=f"story-{sale.product_id}"
        )
    except Refused as refusal:
        # Messaging's copy of the item is a moment behind, or a restart behind.
        if refusal.status == 404:
            return None
        raise
    return started


async def pay(cast: Cast, tell: Narrator, sale: Sale) -> None:
    """A declined card, then a good one, through Stripe's own SDK."""
    async with tell.step("Bo checks out: the dress is his to pay for, and nobody else's"):
        sale.checkout = await until(
            lambda: _start_checkout(sale), what="orders to know the item", within=cast.world.patience
        )
        expect(that=sale.checkout["amount"]["amount_minor"] == 4950, what=f"the price: {sale.checkout}")
        refusal = await _refused(sale.rival, sale.product_id)
        expect(that=(refusal.status, refusal.code) == (409, "item_reserved"), what=f"Rita: {refusal}")
        tell.remark(f"Rita is told: {refusal.problem['title']}. {refusal.problem.get('detail', '')}")
    async with tell.step("His first card is declined, with a reason a person understands"):
        try:
            await _confirm(cast, sale, _DECLINED)
        except stripe.CardError as decline:
            expect(that=decline.code == "card_declined", what=f"the decline: {decline.code}")
        failed = await until(
            lambda: _checkout_is(sale, "PAYMENT_FAILED"),
            what="the failed payment",
            within=cast.world.patience,
        )
        expect(that=len(str(failed["reason"])) > 20, what=f"a reason in words: {failed['reason']}")
        tell.remark(f"Bo reads: {failed['reason']}")
    async with tell.step("pm_card_visa pays; Stripe's signed webhook confirms the order"):
        paid = await _confirm(cast, sale, _GOOD)
        expect(that=paid.status == "succeeded", what=f"the payment: {paid.status}")
        done = await until(
            lambda: _checkout_is(sale, "COMPLETED"), what="the order", within=cast.world.patience
        )
        sale.order_id = done["order_id"]
        order = await sale.buyer.api.get(f"/v1/orders/{sale.order_id}")
        expect(that=order["status"] == "CONFIRMED", what=f"the order: {order['status']}")
        expect(that=order["payment"]["status"] == "COMPLETED", what=f"the payment: {order['payment']}")


async def _start_checkout(sale: Sale) -> dict[str, Any] | None:
    body = {"product_id": sale.product_id, "expected_price": "49.50"}
    try:
        started: dict[str, Any] = await sale.buyer.api.post(
            "/v1/checkouts", body, key=f"story-checkout-{sale.product_id}"
        )
    except Refused as refusal:
        if refusal.status == 404:
            return None
        raise
    return started


async def _refused(actor: Actor, product_id: str) -> Refused:
    try:
        await actor.api.post("/v1/checkouts", {"product_id": product_id}, key=str(uuid4()))
    except Refused as refusal:
        return refusal
    raise AssertionError(f"{actor.name} could check out an item that is taken")


async def _confirm(cast: Cast, sale: Sale, method: str) -> stripe.PaymentIntent:
    secret = str((sale.checkout or {})["client_secret"])
    intent = secret.partition("_secret_")[0]
    # The browser's way: the publishable key and the client secret, which the SDK's types leave out.
    params: Any = {"client_secret": secret, "payment_method": method}
    return await cast.stripe.v1.payment_intents.confirm_async(intent, params)


async def _checkout_is(sale: Sale, status: str) -> dict[str, Any] | None:
    found: dict[str, Any] = await sale.buyer.api.get(f"/v1/checkouts/{(sale.checkout or {})['id']}")
    return found if found["status"] == status else None


async def afterwards(cast: Cast, tell: Narrator, sale: Sale, sellers: Listener, buyers: Listener) -> None:
    """What everybody else makes of it."""
    within = cast.world.patience
    async with tell.step("The dress is SOLD and gone from the search"):
        await until(lambda: _product_is(sale, "SOLD"), what="the product to be SOLD", within=within)
        await until(lambda: _gone(cast, sale), what="the search to forget it", within=within)
    async with tell.step("Both get their mail and see it on their screens"):
        for actor, words in ((sale.buyer, "confirmed"), (sale.seller, "sold")):
            await until(
                lambda a=actor, w=words: _one_mail(cast, a, w),  # type: ignore[misc]
                what=f"{actor.name}'s mail",
                within=within,
            )
        for ears in (sellers, buyers):
            status = await ears.heard("order.status_changed", lambda data: data["orderId"] == sale.order_id)
            expect(that=status["newStatus"] == "CONFIRMED", what=f"the new status: {status}")
            await ears.heard("notification.new", lambda data: data["type"] == "ORDER")
    async with tell.step("Rita still cannot buy it: 409, and why"):
        refusal = await _refused(sale.rival, sale.product_id)
        expect(that=(refusal.status, refusal.code) == (409, "item_sold"), what=f"Rita: {refusal}")
        tell.remark(f"Rita is told: {refusal.problem['title']}")


async def _product_is(sale: Sale, status: str) -> bool:
    found = await sale.buyer.api.get(f"/v1/products/{sale.product_id}")
    return bool(found["status"] == status)


async def _gone(cast: Cast, sale: Sale) -> bool:
    return await _found(cast, sale) is None


async def _one_mail(cast: Cast, actor: Actor, words: str) -> bool:
    return len([mail for mail in await cast.mails_to(actor) if words in mail["subject"]]) == 1


async def check_once(cast: Cast, sale: Sale) -> None:
    """Nothing of it happened twice: one order, one mail and one notice each; raises `NotYet`."""
    for actor, role, words in ((sale.buyer, "buyer", "confirmed"), (sale.seller, "seller", "sold")):
        orders = (await actor.api.get("/v1/orders", role=role))["data"]
        expect(that=[order["id"] for order in orders] == [sale.order_id], what=f"one order: {orders}")
        expect(that=await _one_mail(cast, actor, words), what=f"one mail to {actor.name}")
        notices = (await actor.api.get("/v1/notifications"))["data"]
        about = [notice for notice in notices if notice["subject_id"] == sale.order_id]
        expect(that=len(about) == 1, what=f"one notice to {actor.name}: {about}")


async def tell_sale(cast: Cast, tell: Narrator) -> Sale:
    """Tell it all; raises `NotYet`, `Refused` or `StillWaiting` where it goes wrong."""
    sale = await meet(cast, tell)
    seller, buyer = (f"private-user-{actor.user_id}" for actor in (sale.seller, sale.buyer))
    async with (
        Listener(cast.world, sale.seller.api, seller) as sellers,
        Listener(cast.world, sale.buyer.api, buyer) as buyers,
    ):
        await list_item(cast, tell, sale)
        await talk(cast, tell, sale, sellers)
        await pay(cast, tell, sale)
        await afterwards(cast, tell, sale, sellers, buyers)
    await check_once(cast, sale)
    return sale

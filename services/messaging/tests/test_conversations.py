"""Conversations: begin, list, read."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from threadly_chassis.context import ActionContext, begin_action
from threadly_chassis.http import Principal
from threadly_chassis.ids import new_id
from threadly_chassis.testing.identity import somebody
from threadly_contracts.catalog import ProductStatus
from threadly_messaging.use_cases.list_conversations import list_conversations

pytestmark = pytest.mark.integration


async def test_a_buyer_asks_a_seller_about_an_item(
    messaging: Any, buyer: Principal, seller: Principal
) -> None:
    await messaging.know(seller)
    item = await messaging.offer(seller)

    begun = await messaging.begin(buyer, item, "Is it still available?")

    assert begun["role"] == "buyer"
    assert begun["product"] == {
        "id": str(item),
        "title": "Red dress",
        "image_url": "https://img.example/1.jpg",
        "status": "AVAILABLE",
        "price": {
            "amount_minor": 2550,
            "currency": "EUR",
            "formatted": begun["product"]["price"]["formatted"],
        },
    }
    assert begun["other"]["name"] == "Bob"
    assert begun["last_message"]["content_text"] == "Is it still available?"
    assert begun["last_message"]["is_own_message"] is True
    facts = [(fact, version) for fact, version, _ in await messaging.events()]
    assert facts == [("conversation_started", 1), ("message_sent", 2)]
    (entry,) = await messaging.inbox(seller)
    assert (entry["role"], entry["unread_count"], entry["other"]["name"]) == ("seller", 1, "Ada")


async def test_asking_again_finds_the_same_conversation(
    messaging: Any, buyer: Principal, seller: Principal
) -> None:
    item = await messaging.offer(seller)
    body = {"product_id": str(item)}

    answers = [await messaging.call("POST", "/conversations", buyer, json=body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert len(await messaging.events()) == 1


async def test_ten_beginnings_at_once_make_one_conversation(
    messaging: Any, buyer: Principal, seller: Principal
) -> None:
    item = await messaging.offer(seller)

    begun = await asyncio.gather(*(messaging.begin(buyer, item) for _ in range(10)))

    assert len({each["id"] for each in begun}) == 1
    assert [fact for fact, _, _ in await messaging.events()] == ["conversation_started"]


@pytest.mark.parametrize("status", [ProductStatus.RESERVED, ProductStatus.SOLD, ProductStatus.REMOVED])
async def test_only_an_available_item_begins_a_conversation_which_then_goes_on(
    messaging: Any, make_product: Any, buyer: Principal, seller: Principal, status: ProductStatus
) -> None:
    item = await messaging.offer(seller)
    await messaging.begin(buyer, item)
    await messaging.offer(seller, product_id=item, status=status)

    refused = await messaging.call("POST", "/conversations", somebody(), json={"product_id": str(item)})
    again = await messaging.call("POST", "/conversations", buyer, json={"product_id": str(item)})

    assert (refused.status_code, refused.json()["code"]) == (409, "item_not_available")
    assert again.status_code == 200
    assert len(await messaging.query("select 1 from conversation")) == 1


async def test_sellers_do_not_talk_to_themselves_and_unknown_items_are_not_there(
    messaging: Any, seller: Principal
) -> None:
    item = await messaging.offer(seller)

    own = await messaging.call("POST", "/conversations", seller, json={"product_id": str(item)})
    unknown = await messaging.call("POST", "/conversations", seller, json={"product_id": str(new_id())})
    odd = await messaging.call("POST", "/conversations", seller, json={"product_id": str(item), "x": 1})
    nobody = await messaging.call("POST", "/conversations", None, json={"product_id": str(item)})

    assert (own.status_code, own.json()["code"]) == (409, "own_item")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "product_not_found")
    assert (odd.status_code, nobody.status_code) == (422, 401)


async def test_a_refused_first_message_begins_nothing(
    messaging: Any, buyer: Principal, seller: Principal
) -> None:
    item = await messaging.offer(seller)
    body = {"product_id": str(item), "content": "Mail me: ada@example.com"}

    refused = await messaging.call("POST", "/conversations", buyer, json=body)

    assert (refused.status_code, refused.json()["code"]) == (422, "off_platform_contact")
    assert await messaging.query("select 1 from conversation") == []
    assert await messaging.events() == []


async def test_the_inbox_pages_by_the_newest_message(messaging: Any, seller: Principal) -> None:
    begun = []
    for number in range(5):
        messaging.clock.move(timedelta(minutes=1))
        begun.append((await messaging.begin(somebody(), await messaging.offer(seller), f"Hi {number}"))["id"])
    messaging.clock.move(timedelta(minutes=1))
    await messaging.say(seller, begun[0], "Hello!")
    wanted = [begun[0], begun[4], begun[3], begun[2], begun[1]]

    seen, cursor = [], None
    for _ in range(3):
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await messaging.call("GET", "/conversations", seller, params=query)).json()
        seen += [entry["id"] for entry in page["data"]]
        cursor = page["next_cursor"]

    assert seen == wanted
    assert cursor is None
    forged = await messaging.call("GET", "/conversations", seller, params={"cursor": "AAAA"})
    assert (forged.status_code, forged.json()["code"]) == (422, "cursor_malformed")


async def test_a_page_of_the_inbox_is_one_query(messaging: Any, seller: Principal) -> None:
    """R-PERF: no N+1; the count does not grow with the page."""
    counts = []
    for _ in range(3):
        await messaging.begin(somebody(), await messaging.offer(seller), "Hi")
        await messaging.deps.cache.evict("*")
        action = ActionContext()
        begin_action(action)
        await list_conversations(seller.user_id, after=None, limit=20, deps=messaging.deps)
        counts.append(action.database_queries)

    assert counts == [1, 1, 1]


async def test_reading_moves_the_marker_and_never_back(
    messaging: Any, buyer: Principal, seller: Principal
) -> None:
    """R-MSG-09: unread counts follow the marker; ConversationRead once per move."""
    conversation = await messaging.begin(buyer, await messaging.offer(seller))
    sent = [(await messaging.say(buyer, conversation["id"], f"Line {n}")).json() for n in range(3)]
    path = f"/conversations/{conversation['id']}/read"

    empty = await messaging.call("POST", path, buyer)
    second = await messaging.call("POST", path, seller, json={"last_read_message_id": sent[1]["id"]})
    first = await messaging.call("POST", path, seller, json={"last_read_message_id": sent[0]["id"]})
    (entry,) = await messaging.inbox(seller)

    assert empty.json()["unread_count"] == 0
    assert second.json()["unread_count"] == first.json()["unread_count"] == entry["unread_count"] == 1
    assert [m["read"] for m in (await messaging.said(buyer, conversation["id"]))["data"]] == [
        True,
        True,
        False,
    ]
    all_read = await messaging.call("POST", path, seller)
    assert all_read.json()["unread_count"] == 0
    read = [
        (version, payload["last_read_message_id"])
        for fact, version, payload in await messaging.events()
        if fact == "conversation_read" and payload["reader_id"] == str(seller.user_id)
    ]
    assert read == [(6, sent[1]["id"]), (7, sent[2]["id"])]


async def test_a_conversation_without_messages_can_be_read(
    messaging: Any, buyer: Principal, seller: Principal
) -> None:
    conversation = await messaging.begin(buyer, await messaging.offer(seller))

    answer = await messaging.call("POST", f"/conversations/{conversation['id']}/read", seller)

    assert (answer.status_code, answer.json()["unread_count"]) == (200, 0)
    assert len(await messaging.events()) == 1


async def test_what_others_say_to_each_other_is_not_there(
    messaging: Any, buyer: Principal, seller: Principal, stranger: Principal
) -> None:
    """Another's private thing is 404, and looks like what does not exist (architecture §3)."""
    conversation = await messaging.begin(buyer, await messaging.offer(seller), "Hi")
    other = await messaging.begin(stranger, await messaging.offer(seller), "Hello")
    message_id = other["last_message"]["id"]
    answers = []
    for conversation_id in (conversation["id"], str(UUID(int=1))):
        path = f"/conversations/{conversation_id}"
        answers += [
            await messaging.call("GET", path, stranger),
            await messaging.call("GET", f"{path}/messages", stranger),
            await messaging.call("GET", f"{path}/messages", stranger, params={"after": message_id}),
            await messaging.say(stranger, conversation_id, "Let me in"),
            await messaging.call("POST", f"{path}/read", stranger),
            await messaging.call("POST", f"{path}/typing", stranger, json={"is_typing": True}),
        ]

    assert {(a.status_code, a.json()["code"]) for a in answers} == {(404, "conversation_not_found")}
    foreign = await messaging.call(
        "POST", f"/conversations/{conversation['id']}/read", buyer, json={"last_read_message_id": message_id}
    )
    assert (foreign.status_code, foreign.json()["code"]) == (404, "message_not_found")


async def test_one_of_the_own_conversations_is_shown(
    messaging: Any, buyer: Principal, seller: Principal
) -> None:
    begun = await messaging.begin(buyer, await messaging.offer(seller), "Hi")

    assert (await messaging.call("GET", f"/conversations/{begun['id']}", buyer)).json() == begun

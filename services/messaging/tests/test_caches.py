"""Cached answers are fresh for the writer at once, and for all when the event has come round (R-MSG-09)."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from threadly_chassis.cache import Cache
from threadly_chassis.http import Principal
from threadly_contracts.messaging import ConversationRead, ConversationStarted, MessageSent
from threadly_messaging.use_cases.drop_caches import after_message, after_read, after_start

pytestmark = pytest.mark.integration


async def test_the_second_look_does_not_ask_the_database_for_messages(
    messaging: Any, buyer: Principal, seller: Principal
) -> None:
    conversation = await messaging.begin(buyer, await messaging.offer(seller), "Hi")
    before = await messaging.said(buyer, conversation["id"])
    await _behind_its_back(messaging)

    assert await messaging.said(buyer, conversation["id"]) == before
    assert (await messaging.inbox(buyer))[0]["last_message"]["content_text"] == "Changed"


async def test_a_writers_next_read_and_the_others_are_fresh(
    messaging: Any, buyer: Principal, seller: Principal
) -> None:
    """Architecture §6: a write's own response and the writer's next read are never stale."""
    conversation = await messaging.begin(buyer, await messaging.offer(seller))
    for number in range(1, 4):
        await messaging.say(buyer, conversation["id"], f"Line {number}")
        for who in (buyer, seller):
            page = await messaging.said(who, conversation["id"])
            (entry,) = await messaging.inbox(who)
            assert [m["sequence"] for m in page["data"]] == list(range(1, number + 1))
            assert entry["last_message"]["content_text"] == f"Line {number}"
    await messaging.call("POST", f"/conversations/{conversation['id']}/read", seller)
    assert (await messaging.inbox(seller))[0]["unread_count"] == 0


async def test_each_event_drops_what_it_makes_stale(
    messaging: Any, buyer: Principal, seller: Principal
) -> None:
    """MS-17, MS-18: the tags conversation:{id} and inbox:{user}; twice does no harm."""
    conversation = await messaging.begin(buyer, await messaging.offer(seller), "Hi")
    ids = {"conversation_id": UUID(conversation["id"]), "product_id": UUID(conversation["product"]["id"])}
    (_, _, sent) = (await messaging.events())[1]
    started = ConversationStarted(
        **ids,
        product_title="Red dress",
        buyer_id=buyer.user_id,
        seller_id=seller.user_id,
        started_at=datetime.now(UTC),
    )
    read = ConversationRead(
        conversation_id=ids["conversation_id"],
        reader_id=seller.user_id,
        last_read_message_id=UUID(sent["message_id"]),
        read_at=datetime.now(UTC),
    )
    message = MessageSent.model_validate(sent)
    for handler, event, fresh in (
        (after_start, started, {"inbox of buyer", "inbox of seller"}),
        (after_message, message, {"inbox of buyer", "inbox of seller", "messages"}),
        (after_read, read, {"inbox of seller", "messages"}),
    ):
        await messaging.deps.cache.evict("*")
        before = await _seen(messaging, conversation["id"], buyer, seller)
        await _behind_its_back(messaging)
        for _ in range(2):
            await messaging.handle(handler, event)
        after = await _seen(messaging, conversation["id"], buyer, seller)
        assert {name for name in before if before[name] != after[name]} == fresh, handler.__name__


async def test_everything_works_without_redis(messaging: Any, buyer: Principal, seller: Principal) -> None:
    """Architecture §2: a dead Redis is a miss, never an error."""
    async with Cache.open("redis://127.0.0.1:1/0", "messaging") as dead:
        messaging.change(cache=dead)
        conversation = await messaging.begin(buyer, await messaging.offer(seller), "Hi")
        answer = await messaging.say(buyer, conversation["id"], "Anybody?")

        assert answer.status_code == 201
        assert len((await messaging.said(seller, conversation["id"]))["data"]) == 2
        assert (await messaging.inbox(seller))[0]["unread_count"] == 2


async def _behind_its_back(messaging: Any) -> None:
    async with messaging.deps.db.transaction() as tx:
        await tx.session.execute(
            text(
                "update message set content_text = "
                "case content_text when 'Changed' then 'Again' else 'Changed' end"
            )
        )


async def _seen(messaging: Any, conversation_id: str, buyer: Principal, seller: Principal) -> dict[str, str]:
    return {
        "messages": (await messaging.said(buyer, conversation_id))["data"][0]["content_text"],
        "inbox of buyer": (await messaging.inbox(buyer))[0]["last_message"]["content_text"],
        "inbox of seller": (await messaging.inbox(seller))[0]["last_message"]["content_text"],
    }

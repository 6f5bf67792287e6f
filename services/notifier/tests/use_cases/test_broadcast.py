"""Real-time events, in the specification's own shapes (R-RT-04, R-RT-06, R-RT-08)."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from threadly_chassis.ids import new_id
from threadly_contracts.messaging import MessageSent
from threadly_contracts.orders import OrderConfirmed
from threadly_notifier.dependencies import NotifierDeps
from threadly_notifier.gateways.pusher_realtime import PusherRealtime
from threadly_notifier.gateways.realtime import RealtimeRejected, RealtimeUnavailable
from threadly_notifier.use_cases.broadcast import broadcast_message, broadcast_order

pytestmark = pytest.mark.integration
Handle = Callable[..., Awaitable[None]]
Pushed = Callable[[str], Awaitable[list[dict[str, Any]]]]


def _envelope(entry: dict[str, Any]) -> dict[str, Any]:
    """The {type, data} that a browser gets, wherever the journal keeps it."""
    data = entry["detail"]["data"]
    envelope: dict[str, Any] = json.loads(data) if isinstance(data, str) else data
    return envelope


async def test_a_message_reaches_the_conversation_and_its_reader(
    handle: Handle, pushed: Pushed, said: Callable[..., MessageSent]
) -> None:
    """R-MSG-08, R-RT-06: the envelope has type and data, and data the specified fields."""
    reader = new_id()
    event = said(reader)
    await handle(broadcast_message, event)
    [entry] = await pushed(f"private-conversation-{event.conversation_id}")
    envelope = _envelope(entry)
    assert envelope["type"] == "message.new"
    assert envelope["data"] == {
        "id": str(event.message_id),
        "conversationId": str(event.conversation_id),
        "senderId": str(event.sender_id),
        "content": "Is it still there?",
        "createdAt": "2026-11-22T10:00:00Z",
        "senderName": "Bob",
    }
    assert await pushed(f"private-user-{reader}")


async def test_ten_kilobytes_of_emoji_are_announced_by_their_beginning(
    handle: Handle, pushed: Pushed, said: Callable[..., MessageSent]
) -> None:
    """E095: Pusher takes 10 kB."""
    event = said(new_id(), "🧵" * 2600)
    await handle(broadcast_message, event)
    [entry] = await pushed(f"private-conversation-{event.conversation_id}")
    data = _envelope(entry)["data"]
    assert data["isExcerpt"] is True
    assert 0 < len(data["content"]) < 2600


async def test_both_sides_of_a_sale_are_told_its_new_status(
    handle: Handle, pushed: Pushed, confirmed: Callable[..., OrderConfirmed]
) -> None:
    """R-RT-08: {orderId, newStatus, productId, message?}."""
    buyer, seller = new_id(), new_id()
    event = confirmed(buyer, seller)
    await handle(broadcast_order, event)
    for person in (buyer, seller):
        [entry] = await pushed(f"private-user-{person}")
        envelope = _envelope(entry)
        assert envelope["type"] == "order.status_changed"
        assert envelope["data"]["orderId"] == str(event.order_id)
        assert envelope["data"]["newStatus"] == "CONFIRMED"
        assert envelope["data"]["productId"] == str(event.product_id)


async def test_a_provider_that_is_away_means_later(deps: NotifierDeps) -> None:
    away = PusherRealtime(deps.settings.model_copy(update={"pusher_port": 1}))
    with pytest.raises(RealtimeUnavailable):
        await away.trigger(["private-user-1"], "x", {})
    await away.close()


async def test_what_is_too_large_is_refused_before_it_is_sent(deps: NotifierDeps) -> None:
    with pytest.raises(RealtimeRejected):
        await deps.realtime.trigger(["private-user-1"], "x", {"a": "b" * 11_000})

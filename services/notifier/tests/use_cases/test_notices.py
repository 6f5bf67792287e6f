"""Notices in the app and their push (R-ORD-11, R-RT-09)."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import NoResultFound

from threadly_chassis.ids import new_id
from threadly_contracts.messaging import MessageSent
from threadly_contracts.orders import OrderConfirmed, PaymentFailed
from threadly_contracts.values import NotificationType
from threadly_notifier.domain.messages import NotificationCreated
from threadly_notifier.storage.tables import NotificationRow
from threadly_notifier.use_cases.push_notification import push_notification
from threadly_notifier.use_cases.tell_people import tell_people

pytestmark = pytest.mark.integration
Handle = Callable[..., Awaitable[None]]
Rows = Callable[[Any], Awaitable[list[Any]]]


async def test_buyer_and_seller_are_each_told_once_however_often_it_is_delivered(
    handle: Handle, rows: Rows, confirmed: Callable[..., OrderConfirmed]
) -> None:
    """I2: the second delivery of one event has no effect."""
    buyer, seller, event_id = new_id(), new_id(), new_id()
    event = confirmed(buyer, seller)
    await handle(tell_people, event, event_id)
    await handle(tell_people, event, event_id)
    told = {row.user_id: row.title for row in await rows(NotificationRow)}
    assert told == {buyer: "Your order is confirmed", seller: "You sold an item"}
    assert len(await rows(NotificationRow)) == 2


async def test_a_message_is_announced_by_its_beginning(
    handle: Handle, rows: Rows, said: Callable[..., MessageSent]
) -> None:
    reader = new_id()
    await handle(tell_people, said(reader, "word " * 100))
    [row] = await rows(NotificationRow)
    assert (row.type, row.title) == (NotificationType.MESSAGE, "Bob wrote to you")
    assert len(row.message) <= 121
    assert row.message.endswith("…")


async def test_a_failed_payment_is_told_in_words_for_people(handle: Handle, rows: Rows) -> None:
    """R-ORD-13."""
    event = PaymentFailed(
        checkout_id=new_id(),
        product_id=new_id(),
        buyer_id=new_id(),
        code="insufficient_funds",
        message="Your card has too little money on it.",
        failed_at=datetime.now(UTC),
    )
    await handle(tell_people, event)
    [row] = await rows(NotificationRow)
    assert row.message == "Your card has too little money on it."


async def test_a_stored_notice_is_pushed_to_its_readers_channel_only(
    handle: Handle,
    rows: Rows,
    confirmed: Callable[..., OrderConfirmed],
    pushed: Callable[[str], Awaitable[list[dict[str, Any]]]],
) -> None:
    """R-RT-09: {type, data} with id, userId, title, message, type, createdAt."""
    buyer, seller = new_id(), new_id()
    await handle(tell_people, confirmed(buyer, seller))
    notice: NotificationRow = next(row for row in await rows(NotificationRow) if row.user_id == buyer)
    await handle(push_notification, NotificationCreated(notification_id=notice.id))
    [entry] = await pushed(f"private-user-{buyer}")
    for part in ("notification.new", str(notice.id), "userId", "createdAt", "Your order is confirmed"):
        assert part in str(entry)
    assert await pushed(f"private-user-{seller}") == []


async def test_the_push_of_a_notice_that_does_not_exist_is_an_error(handle: Handle) -> None:
    with pytest.raises(NoResultFound):
        await handle(push_notification, NotificationCreated(notification_id=UUID(int=7)))

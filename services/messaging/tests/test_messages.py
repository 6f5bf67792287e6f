"""Messages: what is stored, in which order, and how it is shown (R-MSG)."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from threadly_chassis.http import Principal
from threadly_chassis.testing.identity import somebody

pytestmark = pytest.mark.integration


@pytest.fixture
async def conversation(messaging: Any, buyer: Principal, seller: Principal) -> str:
    await messaging.know(buyer)
    begun = await messaging.begin(buyer, await messaging.offer(seller))
    return str(begun["id"])


async def test_a_message_is_stored_and_announced(
    messaging: Any, conversation: str, buyer: Principal, seller: Principal
) -> None:
    """R-MSG-04 to R-MSG-08, R-MSG-10, R-MSG-11: the record, the event and the display."""
    answer = await messaging.say(
        buyer, conversation, " <b>Hi</b><script>x()</script> ", image_url="https://img.example/a.jpg"
    )

    shown = answer.json()
    assert answer.status_code == 201
    assert {name: shown[name] for name in ("content", "content_text", "image_url", "read", "sequence")} == {
        "content": "<b>Hi</b>",
        "content_text": "Hi",
        "image_url": "https://img.example/a.jpg",
        "read": False,
        "sequence": 1,
    }
    assert shown["is_own_message"] is True
    assert (shown["sender_name"], shown["formatted_time"]) == ("Ada", "12:00")
    assert shown["created_at"] == shown["updated_at"] == "2026-05-01T12:00:00Z"
    fact, version, event = (await messaging.events())[-1]
    assert (fact, version) == ("message_sent", 2)
    assert event["message_id"] == shown["id"]
    assert (event["sender_id"], event["recipient_id"]) == (str(buyer.user_id), str(seller.user_id))
    assert (event["sender_name"], event["content"], event["product_title"]) == (
        "Ada",
        "<b>Hi</b>",
        "Red dress",
    )


async def test_the_other_side_sees_the_senders_face_and_its_own_time_zone(
    messaging: Any, conversation: str, buyer: Principal, seller: Principal
) -> None:
    """R-MSG-11."""
    await messaging.say(buyer, conversation, "Hi")

    (shown,) = (await messaging.said(seller, conversation, time_zone="Europe/Vienna"))["data"]

    assert shown["is_own_message"] is False
    assert (shown["sender_name"], shown["sender_avatar"]) == ("Ada", "https://img.example/face.jpg")
    assert shown["formatted_time"] == "14:00"
    odd = await messaging.call(
        "GET", f"/conversations/{conversation}/messages", seller, params={"time_zone": "Mars"}
    )
    assert (odd.status_code, odd.json()["code"]) == (422, "time_zone_unknown")


async def test_simultaneous_messages_have_one_order_for_all(
    messaging: Any, conversation: str, buyer: Principal, seller: Principal
) -> None:
    """E097: same millisecond, and a clock that goes back; the sequence decides and versions follow it."""
    people = [buyer, seller]
    answers = await asyncio.gather(
        *(messaging.say(people[n % 2], conversation, f"Line {n}") for n in range(20))
    )
    messaging.clock.move(timedelta(minutes=-5))
    answers.append(await messaging.say(buyer, conversation, "From a slow clock"))

    assert {answer.status_code for answer in answers} == {201}
    pages = [(await messaging.said(who, conversation))["data"] for who in people]
    assert [m["sequence"] for m in pages[0]] == list(range(1, 22))
    assert [m["id"] for m in pages[0]] == [m["id"] for m in pages[1]]
    announced = [(v, e["message_id"]) for fact, v, e in await messaging.events() if fact == "message_sent"]
    assert announced == [(m["sequence"] + 1, m["id"]) for m in pages[0]]
    # The conversation does not sink in the inbox because a clock went back.
    (entry,) = await messaging.inbox(buyer)
    assert entry["last_message_at"] == "2026-05-01T12:00:00Z"
    assert entry["last_message"]["content_text"] == "From a slow clock"


async def test_a_message_sent_twice_with_one_key_is_stored_once(
    messaging: Any, conversation: str, buyer: Principal
) -> None:
    """E005 for the double tap."""
    path, headers = f"/conversations/{conversation}/messages", {"Idempotency-Key": "tap-1"}

    answers = [
        await messaging.call("POST", path, buyer, json={"content": "Hi"}, headers=headers) for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(await messaging.query("select 1 from message")) == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("   ", "message_empty"),
        ("x" * 1001, "message_too_long"),
        ("half \\ud83d", "invalid"),
        ("call 0772 123 456", "off_platform_contact"),
        ("see https://evil.example", "link_not_allowed"),
    ],
)
async def test_a_refused_message_leaves_no_trace(
    messaging: Any, conversation: str, buyer: Principal, content: str, code: str
) -> None:
    """R-MSG-03, E095, E101."""
    refused = await messaging.call(
        "POST",
        f"/conversations/{conversation}/messages",
        buyer,
        content=f'{{"content": "{content}"}}',
        headers={"Content-Type": "application/json"},
    )

    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert await messaging.query("select 1 from message") == []
    assert len(await messaging.events()) == 1


async def test_a_picture_that_is_no_web_address_is_refused(
    messaging: Any, conversation: str, buyer: Principal
) -> None:
    refused = await messaging.say(buyer, conversation, "Look", image_url="javascript:x()")

    assert (refused.status_code, refused.json()["code"]) == (422, "image_url_invalid")


async def test_too_many_messages_within_a_minute_are_refused(
    messaging: Any, conversation: str, buyer: Principal
) -> None:
    """E101: the twenty-first, until the minute is over."""
    statuses = [(await messaging.say(buyer, conversation, f"Line {n}")).status_code for n in range(21)]
    messaging.clock.move(timedelta(minutes=1))

    assert statuses == [201] * 20 + [422]
    assert (await messaging.say(buyer, conversation, "Patience")).status_code == 201


async def test_the_same_advertisement_to_many_sellers_is_refused(messaging: Any, buyer: Principal) -> None:
    """E101: the fifth person does not get it, in whatever spelling."""
    advertisement = "Sell your clothes to my shop, best prices in town"
    statuses = []
    for _ in range(5):
        begun = await messaging.begin(buyer, await messaging.offer(somebody()))
        answer = await messaging.say(buyer, begun["id"], advertisement)
        advertisement = advertisement.swapcase()
        statuses.append(answer.status_code)

    assert statuses == [201, 201, 201, 201, 422]


async def test_older_messages_are_reached_page_by_page(
    messaging: Any, conversation: str, buyer: Principal, seller: Principal
) -> None:
    for n in range(5):
        await messaging.say(buyer, conversation, f"Line {n}")

    pages, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await messaging.said(seller, conversation, **query)
        pages.append([message["sequence"] for message in page["data"]])
        if not (cursor := page["next_cursor"]):
            break

    assert pages == [[4, 5], [2, 3], [1]]


async def test_after_a_lost_connection_everything_since_the_last_message_is_fetched(
    messaging: Any, conversation: str, buyer: Principal, seller: Principal
) -> None:
    """E098: forward from the last id, page by page, to the end."""
    sent = [(await messaging.say(buyer, conversation, f"Line {n}")).json() for n in range(6)]

    first = await messaging.said(seller, conversation, after=sent[0]["id"], limit=3)
    second = await messaging.said(seller, conversation, cursor=first["next_cursor"], limit=3)
    nothing = await messaging.said(seller, conversation, after=sent[5]["id"])

    assert [m["sequence"] for m in first["data"]] == [2, 3, 4]
    assert [m["sequence"] for m in second["data"]] == [5, 6]
    assert second["next_cursor"] is None
    assert (nothing["data"], nothing["next_cursor"]) == ([], None)
    both = await messaging.call(
        "GET",
        f"/conversations/{conversation}/messages",
        seller,
        params={"after": sent[0]["id"], "cursor": first["next_cursor"]},
    )
    assert both.status_code == 422


async def test_a_cursor_of_another_list_is_refused(
    messaging: Any, conversation: str, buyer: Principal
) -> None:
    foreign = messaging.deps.inbox_cursors.encode("after", 1)

    refused = await messaging.call(
        "GET", f"/conversations/{conversation}/messages", buyer, params={"cursor": foreign}
    )

    assert (refused.status_code, refused.json()["code"]) == (422, "cursor_malformed")

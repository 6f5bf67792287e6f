"""Mail: composed once, sent once, in words that cannot be misused (R-ORD-11, E103)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from threadly_chassis.ids import new_id
from threadly_contracts.orders import OrderConfirmed
from threadly_notifier.dependencies import NotifierDeps
from threadly_notifier.domain.messages import MailQueued
from threadly_notifier.gateways.mailer import Mail, MailRejected, MailUnavailable
from threadly_notifier.gateways.smtp_mailer import SmtpMailer, compose
from threadly_notifier.storage.tables import MailRow
from threadly_notifier.use_cases.queue_mail import ContactUnknown, queue_mail
from threadly_notifier.use_cases.send_mail import send_mail

pytestmark = pytest.mark.integration
Handle = Callable[..., Awaitable[None]]
Know = Callable[..., Awaitable[UUID]]
Rows = Callable[[Any], Awaitable[list[Any]]]
Mailbox = Callable[[str], Awaitable[list[dict[str, Any]]]]


async def test_both_get_their_mail_once_however_often_it_is_delivered(
    handle: Handle, know: Know, rows: Rows, mailbox: Mailbox, confirmed: Callable[..., OrderConfirmed]
) -> None:
    """R-ORD-11: one mail per order, person and template."""
    buyer, seller = await know("ada@example.com"), await know("bob@example.com", None)
    event, event_id = confirmed(buyer, seller), new_id()
    await handle(queue_mail, event, event_id)
    await handle(queue_mail, event, event_id)
    queued = await rows(MailRow)
    assert len(queued) == 2
    for row in queued:
        await handle(send_mail, MailQueued(mail_id=row.id))
        await handle(send_mail, MailQueued(mail_id=row.id))
    [to_buyer] = await mailbox("ada@example.com")
    [to_seller] = await mailbox("bob@example.com")
    assert to_buyer["subject"] == "Your order is confirmed: Red dress"
    assert "25.50 EUR" in to_buyer["text"]
    assert "Hello Ada" in to_buyer["text"]
    assert to_seller["subject"] == "You sold Red dress"
    assert "Hello there" in to_seller["text"]
    assert all(row.sent_at for row in await rows(MailRow))


async def test_a_recipient_who_is_not_known_yet_is_waited_for(
    handle: Handle, know: Know, rows: Rows, confirmed: Callable[..., OrderConfirmed]
) -> None:
    """Reordered: the order's event came before auth's; nothing is stored, so the retry does it whole."""
    buyer = await know("ada@example.com")
    with pytest.raises(ContactUnknown):
        await handle(queue_mail, confirmed(buyer, new_id()))
    assert await rows(MailRow) == []


async def test_without_an_address_there_is_no_mail(
    handle: Handle, know: Know, rows: Rows, confirmed: Callable[..., OrderConfirmed]
) -> None:
    await handle(queue_mail, confirmed(await know(""), await know("")))
    assert await rows(MailRow) == []


async def test_hostile_titles_stay_text(
    handle: Handle, know: Know, rows: Rows, mailbox: Mailbox, confirmed: Callable[..., OrderConfirmed]
) -> None:
    """E103: no header can be smuggled in, no markup survives."""
    title = "Dress\r\nBcc: all@example.com <script>alert(1)</script>"
    buyer = await know("eve@example.com")
    await handle(queue_mail, confirmed(buyer, await know(""), title))
    [row] = await rows(MailRow)
    await handle(send_mail, MailQueued(mail_id=row.id))
    [mail] = await mailbox("eve@example.com")
    assert "\n" not in mail["subject"]
    assert "Bcc" not in {name.title() for name, *_ in _pairs(mail["headers"])}
    assert "<script>" not in mail["html"]


def _pairs(headers: Any) -> list[Any]:
    return list(headers.items()) if isinstance(headers, dict) else list(headers)


def test_a_header_with_a_line_break_is_refused() -> None:
    with pytest.raises(MailRejected):
        compose(
            Mail("<1@x>", "a@example.com", "one\r\nBcc: b@example.com", "", ""), "Threadly <h@example.com>"
        )


@pytest.mark.parametrize(
    ("address", "error"), [("a@reject.example", MailRejected), ("a@busy.example", MailUnavailable)]
)
async def test_refusals_are_told_apart(deps: NotifierDeps, address: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await deps.mailer.send(Mail("<1@x>", address, "s", "t", "<p>t</p>"))


async def test_a_mail_server_that_is_away_means_later(deps: NotifierDeps) -> None:
    away = deps.settings.model_copy(update={"smtp_port": 1})
    with pytest.raises(MailUnavailable):
        await SmtpMailer(away).send(Mail("<1@x>", "a@example.com", "s", "t", "<p>t</p>"))


async def test_two_workers_with_one_delivery_send_the_same_message_id(
    handle: Handle, know: Know, rows: Rows, mailbox: Mailbox, confirmed: Callable[..., OrderConfirmed]
) -> None:
    """A crash between the server's answer and our mark repeats the mail; its Message-ID gives it away."""
    await handle(queue_mail, confirmed(await know("zoe@example.com"), await know("")))
    [row] = await rows(MailRow)
    await asyncio.gather(*(handle(send_mail, MailQueued(mail_id=row.id)) for _ in range(2)))
    mails = await mailbox("zoe@example.com")
    assert 1 <= len(mails) <= 2
    assert {str(row.id) in str(mail["headers"]) for mail in mails} == {True}

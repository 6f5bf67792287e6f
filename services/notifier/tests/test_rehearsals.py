"""Dead letters of the mail sender and of pushes are rehearsed, and nothing leaves (F42)."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from threadly_chassis.ids import new_id
from threadly_chassis.messaging.rehearsal import RehearsalOutcome, RowsWritten
from threadly_chassis.testing.database import digest
from threadly_chassis.testing.rehearsals import letter_of, rehearsed
from threadly_contracts.messaging import MessageSent
from threadly_contracts.orders import OrderConfirmed
from threadly_notifier.dependencies import NotifierDeps
from threadly_notifier.domain.messages import MailQueued
from threadly_notifier.storage.tables import MailRow
from threadly_notifier.subscriptions import SUBSCRIPTIONS
from threadly_notifier.use_cases.queue_mail import queue_mail
from threadly_notifier.use_cases.send_mail import send_mail

pytestmark = pytest.mark.integration
Handle = Callable[..., Awaitable[None]]
Know = Callable[..., Awaitable[UUID]]
Rows = Callable[[Any], Awaitable[list[Any]]]
Look = Callable[[str], Awaitable[list[dict[str, Any]]]]


async def test_a_mail_would_be_sent_and_is_not(
    deps: NotifierDeps,
    handle: Handle,
    know: Know,
    rows: Rows,
    mailbox: Look,
    confirmed: Callable[..., OrderConfirmed],
) -> None:
    """The handler sees the real mail and its own mark; the answer names nobody."""
    address = f"{new_id()}@example.com"
    await handle(queue_mail, confirmed(await know(address), await know("bob@example.com")))
    mail = next(row for row in await rows(MailRow) if "confirmed" in row.subject)
    before = await digest(deps.db)
    letter = letter_of(MailQueued(mail_id=mail.id))
    for _ in range(2):
        said = await rehearsed("notifier.mail-sender", letter, deps, SUBSCRIPTIONS)
        assert said.outcome is RehearsalOutcome.WOULD_APPLY
        assert said.rows == (RowsWritten(table="mail", inserted=0, updated=1, deleted=0),)
        [call] = said.calls
        assert (call.port, call.method) == ("mailer", "send")
        assert call.arguments.startswith(f"Mail(message_id=<{mail.id}@threadly.example>, to=")
        assert "Ada" not in call.arguments
        assert "dress" not in call.arguments
    assert await digest(deps.db) == before
    assert await mailbox(address) == []
    await handle(send_mail, MailQueued(mail_id=mail.id))
    assert len(await mailbox(address)) == 1
    said = await rehearsed("notifier.mail-sender", letter, deps, SUBSCRIPTIONS)
    assert (said.outcome, said.calls, said.rows) == (RehearsalOutcome.WOULD_APPLY, (), ())


async def test_a_broadcast_would_go_out_and_does_not(
    deps: NotifierDeps, pushed: Look, said: Callable[..., MessageSent]
) -> None:
    recipient = new_id()
    message = said(recipient, "Is it still there?")
    told = await rehearsed("notifier.realtime", letter_of(message), deps, SUBSCRIPTIONS)
    assert told.outcome is RehearsalOutcome.WOULD_APPLY
    [call] = told.calls
    assert (call.port, call.method) == ("realtime", "trigger")
    assert f"private-user-{recipient}" in call.arguments
    assert "still" not in call.arguments
    assert await pushed(str(recipient)) == []


async def test_a_letter_that_would_fail_says_how(deps: NotifierDeps) -> None:
    told = await rehearsed(
        "notifier.mail-sender", letter_of(MailQueued(mail_id=new_id())), deps, SUBSCRIPTIONS
    )
    assert (told.outcome, told.exception) == (RehearsalOutcome.FAILED, "sqlalchemy.exc.NoResultFound")

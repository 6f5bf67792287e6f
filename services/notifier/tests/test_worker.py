"""From the broker to the mailbox: the real worker on a real RabbitMQ."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from threadly_chassis.ids import new_id
from threadly_chassis.testing import eventually
from threadly_chassis.testing.working import working
from threadly_contracts.auth import UserRegistered
from threadly_contracts.orders import OrderConfirmed
from threadly_notifier.dependencies import NotifierDeps
from threadly_notifier.storage.tables import MailRow, NotificationRow
from threadly_notifier.subscriptions import SUBSCRIPTIONS

pytestmark = pytest.mark.integration


async def test_an_order_becomes_two_mails_and_two_notices(
    deps: NotifierDeps,
    vhost: str,
    rows: Callable[[Any], Awaitable[list[Any]]],
    mailbox: Callable[[str], Awaitable[list[dict[str, Any]]]],
    confirmed: Callable[..., OrderConfirmed],
) -> None:
    """R-ORD-11, with the same event published twice under two ids: auth's repeat changes nothing."""
    settings = deps.settings.model_copy(update={"amqp_url": SecretStr(vhost), "retry_ladder": ("1s",)})
    people = {f"{new_id()}@example.com": new_id() for _ in range(2)}
    async with working(settings, deps, SUBSCRIPTIONS):
        async with deps.db.transaction() as tx:
            for email, user_id in people.items():
                person = UserRegistered(
                    user_id=user_id,
                    email=email,
                    first_name="Ada",
                    last_name=None,
                    image_url=None,
                    created_at=deps.clock.now(),
                )
                await tx.publish(person, version=1)
            await tx.publish(confirmed(*people.values()), version=1)
        for email in people:
            [mail] = await eventually(lambda e=email: mailbox(e), timeout=20, describe=f"a mail for {email}")  # type: ignore[misc]
            assert "Red dress" in mail["subject"]
        await eventually(lambda: _all_sent(rows), describe="both mails to be marked as sent")
        assert len(await rows(NotificationRow)) == 2


async def _all_sent(rows: Callable[[Any], Awaitable[list[Any]]]) -> bool:
    mails = await rows(MailRow)
    return len(mails) == 2 and all(row.sent_at for row in mails)

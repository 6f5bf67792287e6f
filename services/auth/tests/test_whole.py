"""From Clerk's webhook over HTTP, outbox, RabbitMQ and the consumer to the user, and back out as an event."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from threadly_auth.dependencies import open_deps
from threadly_auth.main import build_app
from threadly_auth.schedules import SCHEDULES
from threadly_auth.settings import AuthSettings
from threadly_auth.storage import users
from threadly_auth.subscriptions import SUBSCRIPTIONS
from threadly_chassis.testing import eventually
from threadly_chassis.testing.working import working
from threadly_sandbox.serving import served

pytestmark = pytest.mark.integration


async def test_a_change_at_clerk_reaches_the_database(
    whole_settings: AuthSettings, telling_clerk: Any, auth_port: int
) -> None:
    """R-SYNC-05: the webhook is enough; nobody signs in."""
    app = build_app(whole_settings)
    async with (
        served(app, "127.0.0.1", auth_port),
        open_deps(whole_settings) as deps,
        working(whole_settings, deps, SUBSCRIPTIONS, SCHEDULES),
    ):
        clerk_id = await telling_clerk.add(first_name="Ada")

        async def named(wanted: str) -> bool:
            async with deps.db.read() as session:
                user = await users.find_by_clerk_id(session, clerk_id)
            return user is not None and user.first_name == wanted

        async def becomes(wanted: str) -> None:
            probe: Callable[[], Awaitable[bool]] = partial(named, wanted)
            assert await eventually(probe, timeout=30, describe=f"the name {wanted}")

        await becomes("Ada")
        await telling_clerk.change(clerk_id, first_name="Augusta")
        await becomes("Augusta")

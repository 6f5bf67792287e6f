"""A snapshot says of each user what the last event said."""

from datetime import UTC, datetime
from typing import Any

import pytest

from threadly_auth.domain.messages import ClerkUserChanged, ClerkUserDeleted
from threadly_auth.domain.profile import parse_profile
from threadly_auth.use_cases.follow_clerk import apply_change, apply_deletion
from threadly_auth.use_cases.restate import SNAPSHOTS
from threadly_contracts.auth import Person, UserUpdated

pytestmark = pytest.mark.integration


def _person(said: dict[str, Any]) -> Person:
    return Person.model_validate({name: said[name] for name in Person.model_fields})


async def test_of_users(auth: Any, clerk: Any) -> None:
    """One as registered, one renamed, one who left, and one who left before we heard of them."""
    stayed, renamed, gone = [await clerk.add() for _ in range(3)]
    for clerk_id in (stayed, renamed, gone):
        await auth.exchange(await clerk.session_token(clerk_id))
    await clerk.change(renamed, first_name="Augusta")
    await auth.handle(apply_change, ClerkUserChanged.of(parse_profile(await clerk.user(renamed))))
    await auth.handle(apply_deletion, ClerkUserDeleted(clerk_id=gone, deleted_at=datetime.now(UTC)))
    await auth.handle(apply_deletion, ClerkUserDeleted(clerk_id="user_unknown", deleted_at=datetime.now(UTC)))
    newest = await auth.newest("user")
    last = {user: (version, _person(said)) for user, (version, said) in newest.items()}
    restated = {
        event.subject: (version, _person(event.model_dump()))
        async for event, version in SNAPSHOTS[UserUpdated](auth.deps)
    }
    assert restated == last
    assert len(await auth.rows()) == 4
    assert sorted(person.first_name or "" for _, person in last.values()) == ["", "Ada", "Augusta"]

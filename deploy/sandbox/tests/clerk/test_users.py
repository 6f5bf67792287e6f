"""Users, met through Clerk's own client; its models refuse a user that lacks one of 35 keys."""

import pytest
from clerk_backend_api import Clerk, models
from svix.webhooks import Webhook, WebhookVerificationError

from threadly_sandbox.testing import Receiver

# Clerk's client reads the deprecated fields of its own models.
pytestmark = pytest.mark.filterwarnings(r"ignore:warning. \*\* DEPRECATED \*\*:DeprecationWarning")

SECRET = "whsec_c2FuZGJveC1jbGVyay13ZWJob29r"


async def add(clerk: Clerk, name: str) -> models.User:
    return await clerk.users.create_async(
        email_address=[f"{name.lower()}@example.com"], first_name=name, last_name="Lovelace"
    )


async def test_a_user_can_be_created_read_changed_and_deleted(clerk: Clerk, receiver: Receiver) -> None:
    user = await add(clerk, "Ada")
    assert (user.first_name, user.email_addresses[0].email_address) == ("Ada", "ada@example.com")
    assert user.primary_email_address_id == user.email_addresses[0].id

    changed = await clerk.users.update_async(user_id=user.id, first_name="Augusta")
    await clerk.users.update_metadata_async(user_id=user.id, public_metadata={"a": 1})
    assert (changed.first_name, changed.last_name) == ("Augusta", "Lovelace")
    assert changed.updated_at > user.updated_at
    merged = await clerk.users.update_metadata_async(
        user_id=user.id, public_metadata={"b": {"c": 2}, "a": None}
    )
    assert merged.public_metadata == {"b": {"c": 2}}
    assert await clerk.users.get_async(user_id=user.id) == merged

    gone = await clerk.users.delete_async(user_id=user.id)
    assert (gone.id, gone.deleted) == (user.id, True)
    with pytest.raises(models.ClerkErrors) as missing:
        await clerk.users.get_async(user_id=user.id)
    assert missing.value.data.errors[0].code == "resource_not_found"
    await add(clerk, "Ada")  # the address is free again

    await receiver.until(lambda got: "user.deleted" in got.types() and len(got.received) == 6)
    assert sorted(receiver.types()) == [
        "user.created",
        "user.created",
        "user.deleted",
        "user.updated",
        "user.updated",
        "user.updated",
    ]


async def test_webhooks_are_signed_so_that_svix_accepts_them(clerk: Clerk, receiver: Receiver) -> None:
    receiver.answers.append(500)
    user = await add(clerk, "Ada")
    await receiver.until(lambda got: len(got.received) == 2)

    first, second = receiver.received
    assert first.path == "/v1/webhooks/clerk"
    assert first.headers["svix-id"] == second.headers["svix-id"]
    Webhook(SECRET).verify(second.body, dict(second.headers))
    assert second.event["data"]["id"] == user.id
    assert second.event["data"]["email_addresses"][0]["email_address"] == "ada@example.com"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(second.body + b" ", dict(second.headers))


async def test_an_address_belongs_to_one_user(clerk: Clerk) -> None:
    await add(clerk, "Ada")

    with pytest.raises(models.ClerkErrors) as taken:
        await clerk.users.create_async(email_address=["ADA@example.com"])
    assert taken.value.data.errors[0].code == "form_identifier_exists"

    with pytest.raises(models.ClerkErrors) as wrong:
        await clerk.users.create_async(email_address=["no address"])
    assert wrong.value.data.errors[0].code == "form_param_value_invalid"


async def test_users_are_listed_newest_first_filtered_and_paged(clerk: Clerk) -> None:
    users = [await add(clerk, name) for name in ("Ada", "Bea", "Cleo")]
    newest_first = [user.id for user in reversed(users)]

    assert [each.id for each in await clerk.users.list_async(request={})] == newest_first
    paged = await clerk.users.list_async(request={"limit": 1, "offset": 1})
    assert [each.id for each in paged] == [users[1].id]
    oldest_first = await clerk.users.list_async(request={"order_by": "+created_at"})
    assert [each.id for each in oldest_first] == newest_first[::-1]
    by_address = await clerk.users.list_async(
        request={"email_address": ["bea@example.com", "cleo@example.com"], "order_by": "first_name"}
    )
    assert [each.first_name for each in by_address] == ["Bea", "Cleo"]
    by_id = await clerk.users.list_async(request={"user_id": [users[0].id]})
    assert [each.first_name for each in by_id] == ["Ada"]
    by_text = await clerk.users.list_async(request={"query": "cleo love"})
    assert [each.first_name for each in by_text] == ["Cleo"]
    await clerk.users.update_async(user_id=users[0].id, username="ada")
    latest = await clerk.users.list_async(request={"order_by": "-updated_at", "limit": 1})
    assert [each.id for each in latest] == [users[0].id]
    assert (await clerk.users.count_async(request={})).total_count == 3


async def test_an_address_can_be_added_and_made_the_main_one(clerk: Clerk) -> None:
    user = await add(clerk, "Ada")

    added = await clerk.email_addresses.create_async(
        request={
            "user_id": user.id,
            "email_address": "countess@example.com",
            "verified": True,
            "primary": True,
        }
    )

    again = await clerk.users.get_async(user_id=user.id)
    assert again.primary_email_address_id == added.id
    assert len(again.email_addresses) == 2


async def test_another_key_opens_nothing(url: str) -> None:
    async with Clerk(bearer_auth="sk_test_other", server_url=f"{url}/v1") as stranger:
        with pytest.raises(models.ClerkErrors) as refused:
            await stranger.users.list_async(request={})
    assert refused.value.data.errors[0].code == "clerk_key_invalid"

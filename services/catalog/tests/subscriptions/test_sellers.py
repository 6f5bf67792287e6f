"""catalog.sellers: names and pictures beside the items."""

from datetime import UTC, datetime
from typing import Any

import pytest

from threadly_catalog.subscriptions import SUBSCRIPTIONS
from threadly_chassis.messaging import Consumer, Gate
from threadly_chassis.testing.identity import somebody
from threadly_contracts.auth import UserRegistered, UserUpdated

pytestmark = pytest.mark.integration


def _renamed(catalog: Any, first: str | None, last: str | None, picture: str | None = None) -> UserUpdated:
    return UserUpdated(
        user_id=catalog.seller.user_id,
        email="ada@example.com",
        first_name=first,
        last_name=last,
        image_url=picture,
        updated_at=datetime.now(UTC),
    )


async def test_a_seller_renames_and_every_view_follows(catalog: Any) -> None:
    """E076; applied twice it is the same."""
    item = await catalog.item()
    for path in (f"/products/{item['id']}?expand=seller", "/products"):
        await catalog.call("GET", path)
    renamed = _renamed(catalog, "Augusta", "King", "https://img.example/a.png")
    await catalog.give("catalog.sellers", renamed, renamed)
    seller = {
        "id": str(catalog.seller.user_id),
        "name": "Augusta King",
        "picture": "https://img.example/a.png",
    }
    answer = await catalog.call("GET", f"/products/{item['id']}?expand=seller")
    assert answer.json()["seller"] == seller
    assert (await catalog.call("GET", "/products")).json()["data"][0]["seller"] == seller


async def test_auths_word_counts_more_than_a_tokens(catalog: Any) -> None:
    """A token is minutes old at listing time; auth's event may have been here before it."""
    await catalog.give("catalog.sellers", _renamed(catalog, "Augusta", None))
    item = await catalog.item()
    answer = await catalog.call("GET", f"/products/{item['id']}?expand=seller")
    assert answer.json()["seller"]["name"] == "Augusta"


async def test_a_registered_user_is_known_before_the_first_listing(catalog: Any) -> None:
    person = somebody("Bo")
    event = UserRegistered(
        user_id=person.user_id,
        email="bo@example.com",
        first_name="Bo",
        last_name="Ek",
        image_url=None,
        created_at=datetime.now(UTC),
    )
    await catalog.give("catalog.sellers", event)
    assert await catalog.query("select * from seller") == [
        {"user_id": person.user_id, "name": "Bo Ek", "picture": None}
    ]


def test_older_news_of_a_seller_are_passed_over_by_the_gate() -> None:
    """The order of one user's events is the chassis' gate's business: this consumer must ask for it."""
    consumer = SUBSCRIPTIONS["catalog.sellers"]
    assert isinstance(consumer, Consumer)
    assert consumer.gate is Gate.LATEST

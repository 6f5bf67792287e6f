"""The pages a person signs in with."""

import httpx
import jwt
import pytest
from clerk_backend_api import Clerk

from threadly_sandbox.testing import Receiver

BACK = "http://shop.example/welcome?x=1"


@pytest.fixture
async def user_id(clerk: Clerk) -> str:
    hostile = "<script>alert(1)</script>"
    user = await clerk.users.create_async(
        email_address=["ada@example.com"], first_name="Ada", last_name=hostile
    )
    return user.id


async def test_choosing_somebody_sets_the_session_cookie(url: str, user_id: str) -> None:
    async with httpx.AsyncClient(base_url=url) as browser:
        page = await browser.get("/sign-in", params={"redirect_url": BACK})
        assert "ada@example.com" in page.text
        assert "<script>" not in page.text

        entered = await browser.post("/sign-in", data={"user_id": user_id, "redirect_url": BACK})

        assert (entered.status_code, entered.headers["Location"]) == (303, BACK)
        claims = jwt.decode(browser.cookies["__session"], options={"verify_signature": False})
        assert claims["sub"] == user_id
        out = await browser.get("/sign-out", params={"redirect_url": BACK})
        assert out.status_code == 303
        assert "__session" not in browser.cookies


@pytest.mark.parametrize("address", ["http://evil.example/", "//evil.example", "javascript:alert(1)", ""])
async def test_nobody_is_sent_to_a_strangers_address(url: str, user_id: str, address: str) -> None:
    async with httpx.AsyncClient(base_url=url) as browser:
        entered = await browser.post("/sign-in", data={"user_id": user_id, "redirect_url": address})

    assert entered.status_code == 200
    assert "Authorization: Bearer" in entered.text


async def test_somebody_new_can_sign_up(url: str, receiver: Receiver) -> None:
    form = {"first_name": "Bea", "last_name": "B", "email_address": "bea@example.com", "redirect_url": BACK}
    async with httpx.AsyncClient(base_url=url) as browser:
        entered = await browser.post("/sign-up", data=form)
        assert entered.status_code == 303
        again = await browser.post("/sign-up", data=form)
        assert again.status_code == 422
        assert "taken" in again.text
        wrong = await browser.post("/sign-up", data=form | {"email_address": "bea"})
        assert "no email address" in wrong.text
        stranger = await browser.post("/sign-in", data={"user_id": "user_nobody"})
        assert stranger.status_code == 404

    await receiver.until(lambda got: got.types() == ["user.created"])

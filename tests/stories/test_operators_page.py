"""An operator reaches the page by the address that the refusal names (R-AUTH-02, R-SYS-05)."""

import re

import httpx
import pytest

from threadly_demo.cast import Cast
from threadly_demo.people import OPERATOR
from threadly_demo.world import World
from threadly_embedded.whole_system import RunningSystem

pytestmark = [pytest.mark.story, pytest.mark.timeout(300)]


async def test_the_refusal_leads_to_the_sign_in_and_that_leads_back(
    unhurt: RunningSystem, world: World
) -> None:
    page = unhurt.layout.operators_url
    async with Cast(world) as cast, httpx.AsyncClient(trust_env=False) as browser:
        await cast.operator()
        assert "Messages that gave up" in (await browser.get(f"{page}/")).text
        refused = await browser.get(f"{page}/v1/operations/dead-letters")
        assert refused.status_code == 401
        sign_in = refused.json()["sign_in_url"]
        form = (await browser.get(sign_in, params={"redirect_url": page})).text
        [user] = re.findall(rf'value="(user_\w+)">{OPERATOR.first_name} {OPERATOR.last_name}', form)
        back = await browser.post(sign_in, data={"user_id": user, "redirect_url": page})
        assert back.is_redirect
        assert back.headers["location"].startswith(page)
        letters = await browser.get(f"{page}/v1/operations/dead-letters")
        assert letters.status_code == 200, letters.text

"""The people of the story, made anew each time it is told."""

import secrets
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
import stripe

from .api import Api
from .clerk import Clerk
from .people import OPERATOR
from .world import World


def rare_word() -> str:
    """A word that no other listing has, so that a search for it finds one thing."""
    return "".join(secrets.choice("bcdfghjklmnpqrstvwz") + secrets.choice("aeiou") for _ in range(6))


@dataclass
class Actor:
    """Somebody in the story, signed in."""

    name: str
    email: str
    api: Api
    user_id: str = ""


class Cast:
    """Selma sells, Bo buys, Rita comes too late, Olga operates; `async with` it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.word = rare_word()
        self._clerk = Clerk(world.clerk_url, world.clerk_key)
        self._http = httpx.AsyncClient(timeout=10, trust_env=False)
        self._actors: list[Actor] = []
        self._stripe_http = stripe.HTTPXClient(timeout=10)
        self.stripe = stripe.StripeClient(
            world.stripe_publishable_key,
            base_addresses={"api": world.stripe_url},
            max_network_retries=2,
            http_client=self._stripe_http,
        )

    async def __aenter__(self) -> Self:
        """Nothing to do yet; people come on stage one by one."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Everybody leaves."""
        for actor in self._actors:
            await actor.api.close()
        await self._clerk.close()
        await self._http.aclose()
        await self._stripe_http.close_async()  # type: ignore[no-untyped-call]  # the SDK's own gap

    async def enter(self, first_name: str, last_name: str = "", **more: Any) -> Actor:
        """Somebody signs in at Clerk; our system has not heard of them yet."""
        last_name = last_name or self.word.title()
        email = f"{first_name}.{last_name}@threadly.example".lower()
        session = await self._clerk.sign_in(email, first_name, last_name, **more)
        api = Api(self.world.public_url, session, patience=self.world.patience)
        actor = Actor(f"{first_name} {last_name}", email, api)
        self._actors.append(actor)
        return actor

    async def operator(self) -> Actor:
        """The demo's operator signs in."""
        return await self.enter(OPERATOR.first_name, OPERATOR.last_name, **OPERATOR.metadata)

    async def mails_to(self, actor: Actor) -> list[dict[str, Any]]:
        """What lies in the sandbox's mailbox for somebody."""
        answer = await self._http.get(f"{self.world.sandbox_url}/api/mails", params={"to": actor.email})
        found = answer.raise_for_status().json()
        return list(found["data"] if isinstance(found, dict) else found)

"""Reads users from Clerk's Backend API over httpx.

Not with `clerk_backend_api`: it retries for up to an hour, and its user model refuses a user that lacks any
of 35 fields of which we read eight.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import httpx

from threadly_chassis.context import current_action
from threadly_chassis.observability.metrics import PROVIDER_SECONDS

from ..domain.profile import MalformedProfile, Profile, parse_profile
from ..domain.recent import Recent
from .clerk import ClerkAway

#: The version that the official Python SDK 7.0 sends.
API_VERSION = "2025-11-10"
#: Seconds that a user's data is good for: webhooks bring changes sooner.
FRESH_SECONDS = 60.0
#: Seconds during which a Clerk that failed is not asked again: its outage must not slow every sign-in.
COOL_DOWN = 5.0
PAGE = 100


class ClerkDirectory:
    """Clerk's users, with a memory of a minute and a short deadline."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._recent: Recent[str, Profile] = Recent(limit=10_000)
        self._away_until = 0.0

    async def user(self, clerk_id: str) -> Profile | None:
        """Return a user; None when Clerk has none; raises `ClerkAway`."""
        if (known := self._recent.get(clerk_id, now=time.monotonic())) is not None:
            return known
        found = await self._get("get_user", f"/v1/users/{clerk_id}")
        if found is None:
            return None
        profile = _parsed(found)
        self._recent.put(clerk_id, profile, now=time.monotonic(), seconds=FRESH_SECONDS)
        return profile

    async def newest_first(self) -> AsyncGenerator[Profile, None]:
        """Walk all users, the last changed first; raises `ClerkAway`.

        Clerk pages by offset only. A user who changes meanwhile moves to the front and pushes the others
        back, so that somebody may be seen twice and nobody is missed.
        """
        offset = 0
        while True:
            query: dict[str, str | int] = {"order_by": "-updated_at", "limit": PAGE, "offset": offset}
            page = await self._get("list_users", "/v1/users", query)
            if not isinstance(page, list):
                raise ClerkAway("Clerk's answer is not a list of users.")
            for user in page:
                # One odd user must not hide all the others from the poll.
                with suppress(MalformedProfile):
                    yield parse_profile(user)
            if len(page) < PAGE:
                return
            offset += PAGE

    async def _get(self, call: str, path: str, query: dict[str, str | int] | None = None) -> Any:
        if time.monotonic() < self._away_until:
            raise ClerkAway("Clerk did not answer a moment ago.", retry_after=int(COOL_DOWN))
        current_action().external_calls += 1
        started, outcome = time.perf_counter(), "failed"
        try:
            response = await self._client.get(path, params=query)
            if response.status_code == HTTPStatus.NOT_FOUND:
                outcome = "not_found"
                return None
            body = response.raise_for_status().json()
            outcome = "ok"
        except (httpx.HTTPError, ValueError) as error:
            self._away_until = time.monotonic() + COOL_DOWN
            raise ClerkAway("Clerk cannot be asked.", retry_after=int(COOL_DOWN)) from error
        else:
            return body
        finally:
            PROVIDER_SECONDS.labels("clerk", call, outcome).observe(time.perf_counter() - started)


def _parsed(user: Any) -> Profile:
    try:
        return parse_profile(user)
    except MalformedProfile as error:
        raise ClerkAway("Clerk's answer is not a user.") from error


def clerk_client(*, api_url: str, secret_key: str, timeout: float) -> httpx.AsyncClient:
    """Make the HTTP client; `timeout` is in seconds for each of connecting, sending and reading."""
    headers = {"Authorization": f"Bearer {secret_key}", "Clerk-API-Version": API_VERSION}
    return httpx.AsyncClient(base_url=api_url, headers=headers, timeout=timeout)

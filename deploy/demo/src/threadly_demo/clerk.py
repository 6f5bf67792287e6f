"""The sandbox's Clerk, used as Clerk's own development endpoints are: make people, sign them in."""

import time
from dataclasses import dataclass, field
from typing import Any

import httpx

#: A session token lives 60 s; it is renewed well before.
_RENEW_AFTER = 30.0


@dataclass
class Session:
    """Somebody who is signed in."""

    clerk: "Clerk"
    session_id: str
    email: str
    _token: str = ""
    _issued: float = field(default=float("-inf"))

    async def token(self) -> str:
        """A session token that is still good for a while."""
        if time.monotonic() - self._issued > _RENEW_AFTER:
            self._token = await self.clerk.issue_token(self.session_id)
            self._issued = time.monotonic()
        return self._token


class Clerk:
    """Clerk's Backend API (https://clerk.com/docs/reference/backend-api)."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=f"{url}/v1", headers={"Authorization": f"Bearer {key}"}, timeout=10, trust_env=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def find_or_create(self, email: str, first_name: str, last_name: str, **more: Any) -> str:
        """The id of the person with that address, who is made if there is none."""
        found = await self._call("GET", "/users", params={"email_address": email})
        if found:
            return str(found[0]["id"])
        person = {"email_address": [email], "first_name": first_name, "last_name": last_name, **more}
        return str((await self._call("POST", "/users", json=person))["id"])

    async def sign_in(self, email: str, first_name: str, last_name: str, **more: Any) -> Session:
        """Open a session for somebody."""
        user_id = await self.find_or_create(email, first_name, last_name, **more)
        session = await self._call("POST", "/sessions", json={"user_id": user_id})
        return Session(self, str(session["id"]), email)

    async def issue_token(self, session_id: str) -> str:
        """A fresh token of a session."""
        return str((await self._call("POST", f"/sessions/{session_id}/tokens", json={}))["jwt"])

    async def _call(self, method: str, path: str, **request: Any) -> Any:
        return (await self._http.request(method, path, **request)).raise_for_status().json()

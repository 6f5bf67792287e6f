"""Sessions and the tokens that prove them.

Source of the claims: https://clerk.com/docs/backend-requests/resources/session-tokens (version 2).
"""

import secrets

from ..documents import Documents, Json, Where
from ..settings import SandboxSettings
from .errors import ClerkError, not_found
from .ids import new_id, now_ms
from .keys import SigningKeys
from .users import Users

_KIND = "session"
_LIFETIME = 7 * 24 * 3600 * 1000  # milliseconds
_ABANDONED = 4 * _LIFETIME
TOKEN_LIFETIME = 60  # seconds
_LEEWAY = 10  # seconds: `nbf` lies so far before `iat`


class Sessions:
    def __init__(
        self, documents: Documents, users: Users, keys: SigningKeys, settings: SandboxSettings
    ) -> None:
        self._documents = documents
        self._users = users
        self._keys = keys
        self._issuer = settings.clerk_issuer
        self._party = settings.clerk_authorized_party

    def create(self, user_id: str) -> Json:
        user = self._users.load(user_id)
        if user["banned"] or user["locked"]:
            raise ClerkError(422, "user_banned", "This account may not sign in.")
        started = now_ms()
        session = {
            "id": new_id("sess"),
            "object": "session",
            "user_id": user_id,
            "client_id": new_id("client"),
            "status": "active",
            "actor": None,
            "last_active_organization_id": None,
            "latest_activity": None,
            "last_active_at": started,
            "expire_at": started + _LIFETIME,
            "abandon_at": started + _ABANDONED,
            "created_at": started,
            "updated_at": started,
        }
        self._documents.put(_KIND, session)
        self._users.touch(user_id)
        return session

    def load(self, session_id: str) -> Json:
        session = self._documents.get(_KIND, session_id)
        if session is None:
            raise not_found("session", session_id)
        if session["status"] == "active" and session["expire_at"] <= now_ms():
            session["status"] = "expired"
        return session

    def find(self, user_id: str | None, status: str | None) -> list[Json]:
        conditions = [Where("user_id", "=", user_id)] if user_id is not None else []
        found = [self.load(each["id"]) for each in self._documents.find(_KIND, *conditions)]
        return [session for session in found if status in (None, session["status"])]

    def revoke(self, session_id: str) -> Json:
        session = self._active(session_id)
        session |= {"status": "revoked", "updated_at": now_ms()}
        self._documents.put(_KIND, session)
        return session

    def end_all(self, user_id: str) -> None:
        """A ban or a deletion ends every session of the user."""
        for session in self.find(user_id, "active"):
            self.revoke(session["id"])

    def token(self, session_id: str, lifetime: int = TOKEN_LIFETIME) -> str:
        """A signed session token, good for `lifetime` seconds."""
        session = self._active(session_id)
        session["last_active_at"] = now_ms()
        self._documents.put(_KIND, session)
        issued = now_ms() // 1000
        return self._keys.sign(
            {
                "azp": self._party,
                "exp": issued + lifetime,
                "fva": [0, -1],
                "iat": issued,
                "iss": self._issuer,
                "jti": secrets.token_hex(10),
                "nbf": issued - _LEEWAY,
                "sid": session_id,
                "sts": "active",
                "sub": session["user_id"],
                "v": 2,
            }
        )

    def _active(self, session_id: str) -> Json:
        session = self.load(session_id)
        if session["status"] != "active":
            message = f"The session is {session['status']}."
            raise ClerkError(404, "session_not_active", message)  # 404 is what the SDK declares
        return session

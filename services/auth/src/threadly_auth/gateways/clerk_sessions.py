"""Verifies Clerk's session tokens with PyJWT.

Not with `clerk_backend_api`: its verifier accepts pending sessions and tokens without `exp`, fetches the
keys anew for every unknown `kid` (each with up to ten tries), and cannot be pointed at another host.
"""

import asyncio
from typing import Any

import jwt
from jwt import PyJWKClient

from threadly_chassis.errors import Unauthenticated

from .clerk import ClerkAway, Session

ALGORITHM = "RS256"
REQUIRED_CLAIMS = ["exp", "iat", "nbf", "sub", "sid", "iss"]
#: Seconds that Clerk's clock and ours may differ.
LEEWAY = 5
#: A Clerk token has about 1 kB; what is far larger is not worth a signature check.
MAX_TOKEN = 8 * 1024


class ClerkSessions:
    """Judges session tokens against Clerk's published keys."""

    def __init__(
        self,
        *,
        api_url: str,
        secret_key: str,
        issuer: str,
        authorized_parties: tuple[str, ...],
        timeout: float,
    ) -> None:
        self._issuer = issuer
        self._parties = frozenset(authorized_parties)
        # It keeps the keys for 300 s, keeps them when a fetch fails, and asks for an unknown `kid` at most
        # once in 30 s, so that forged tokens cannot make us flood Clerk.
        self._keys = PyJWKClient(
            f"{api_url}/v1/jwks", headers={"Authorization": f"Bearer {secret_key}"}, timeout=timeout
        )

    async def verify(self, token: str) -> Session:
        """Return whose session the token is of; raises `Unauthenticated` or `ClerkAway`."""
        if len(token) > MAX_TOKEN:
            raise Unauthenticated("The session token is too long.")
        try:
            # The key client blocks on urllib and on a lock.
            key = await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)
            claims = jwt.decode(
                token,
                key,
                [ALGORITHM],
                issuer=self._issuer,
                leeway=LEEWAY,
                # A Clerk template may add an `aud`; the list of `azp` is what binds a token to our pages.
                options={"require": REQUIRED_CLAIMS, "verify_aud": False},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise ClerkAway("Clerk's keys cannot be fetched.", retry_after=5) from error
        except (jwt.PyJWTError, ValueError) as error:
            raise Unauthenticated("The session token is not valid.") from error
        return self._session_of(claims)

    def _session_of(self, claims: dict[str, Any]) -> Session:
        if claims.get("azp") not in self._parties:
            raise Unauthenticated("The session token was made for another site.")
        if claims.get("sts", "active") != "active":
            raise Unauthenticated("The sign-in is not finished.")
        session_id, clerk_id = claims["sid"], claims["sub"]
        if not (isinstance(session_id, str) and session_id and clerk_id):
            raise Unauthenticated("The session token names nobody.")
        return Session(session_id=session_id, clerk_id=clerk_id)

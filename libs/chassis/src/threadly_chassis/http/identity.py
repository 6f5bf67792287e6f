"""Who is asking: the identity token that auth issues and every service verifies offline (architecture §3)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from fastapi import Depends, Request

from ..context import current_action
from ..errors import Forbidden, Unauthenticated
from ..settings import decode_key

ALGORITHM = "EdDSA"
ISSUER = "threadly"
AUDIENCE = "threadly-services"
#: Clocks of two machines may differ by this much, seconds.
LEEWAY = 5


@dataclass(frozen=True, slots=True)
class Principal:
    """The database user on whose behalf a request is made (R-AUTH-11)."""

    user_id: UUID
    roles: frozenset[str]
    name: str
    picture: str | None = None
    session_id: str = ""


class IdentitySigner:
    """Issues identity tokens; only auth holds the private key."""

    def __init__(self, private_key: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(decode_key(private_key))

    def sign(self, principal: Principal, *, now: datetime, lifetime: timedelta) -> str:
        """Make a token for `principal`, valid for `lifetime` from `now`."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(principal.user_id),
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            "roles": sorted(principal.roles),
            "name": principal.name,
            "picture": principal.picture,
            "sid": principal.session_id,
        }
        return jwt.encode(claims, self._key, ALGORITHM)


@dataclass(frozen=True)
class IdentityVerifier:
    """Checks identity tokens against the public keys; several while a key is being rolled."""

    public_keys: tuple[str, ...]
    _keys: tuple[Ed25519PublicKey, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Decode the keys once."""
        keys = tuple(Ed25519PublicKey.from_public_bytes(decode_key(key)) for key in self.public_keys)
        object.__setattr__(self, "_keys", keys)

    def verify(self, token: str) -> Principal:
        """Return whom a token speaks for; raises `Unauthenticated` when it is not ours or is over."""
        for key in self._keys:
            try:
                claims = jwt.decode(
                    token,
                    key,
                    [ALGORITHM],
                    issuer=ISSUER,
                    audience=AUDIENCE,
                    leeway=LEEWAY,
                    options={"require": ["exp", "iat", "sub"]},
                )
                return Principal(
                    user_id=UUID(claims["sub"]),
                    roles=frozenset(claims.get("roles", ())),
                    name=claims.get("name", ""),
                    picture=claims.get("picture"),
                    session_id=claims.get("sid", ""),
                )
            except (jwt.InvalidTokenError, ValueError):
                continue
        raise Unauthenticated("The identity token is not valid.")


def caller(request: Request) -> Principal | None:
    """Whom the request's token speaks for; None without one. A token is verified once a request.

    Raises `Unauthenticated` for one that is not ours or is over.
    """
    if not hasattr(request.state, "caller"):
        request.state.caller = _verified(request)
    known: Principal | None = request.state.caller
    return known


def _verified(request: Request) -> Principal | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not token:
        return None
    if scheme.lower() != "bearer":
        raise Unauthenticated("Only bearer tokens are understood.")
    verifier: IdentityVerifier = request.app.state.identity
    principal = verifier.verify(token.strip())
    action = current_action()
    action.user_id, action.session_id = str(principal.user_id), principal.session_id
    return principal


async def _optional_principal(request: Request) -> Principal | None:
    return caller(request)


async def _principal(principal: Annotated[Principal | None, Depends(_optional_principal)]) -> Principal:
    if principal is None:
        raise Unauthenticated
    return principal


async def _operator(principal: Annotated[Principal, Depends(_principal)]) -> Principal:
    if "operator" not in principal.roles:
        raise Forbidden("This is for operators.")
    return principal


#: The caller, or None.
OptionalPrincipal = Annotated[Principal | None, Depends(_optional_principal)]
#: The caller; 401 without one.
CurrentPrincipal = Annotated[Principal, Depends(_principal)]
#: The caller, who is an operator; 403 otherwise.
OperatorPrincipal = Annotated[Principal, Depends(_operator)]

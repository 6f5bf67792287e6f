"""Turn a credential into an identity token: the question that the gateway asks about every request."""

import hashlib
import time
from datetime import UTC, datetime, timedelta

import jwt

from threadly_chassis.errors import Forbidden, Unauthenticated
from threadly_chassis.http import Principal
from threadly_chassis.http.identity import ALGORITHM as IDENTITY_ALGORITHM
from threadly_chassis.observability.logging import get_logger
from threadly_chassis.observability.metrics import DOMAIN_EVENTS

from ..dependencies import AuthDeps
from ..domain.profile import Profile
from ..gateways.clerk import ClerkAway
from ..storage import users
from ..storage.signed_in import SignedIn
from ..storage.tables import UserRow
from .apply_profile import apply_profile

_log = get_logger(__name__)

#: Seconds for which the same credential gets the same answer: what a suspension may lag behind here.
REMEMBERED_SECONDS = 5.0


class AccountSuspended(Forbidden):
    """Clerk's dashboard banned the user; the gateway turns the 403 into its own."""

    code = "account_suspended"
    title = "This account is suspended"


async def exchange(credential: str, *, deps: AuthDeps) -> SignedIn:
    """Accept a Clerk session token, or an identity token that we issued.

    Raises `Unauthenticated`, with the address to sign in at, for a credential that is neither, is over, or
    belongs to somebody deleted; `AccountSuspended`; `ClerkAway` when a first sign-in needs an absent Clerk.
    """
    key = hashlib.sha256(credential.encode()).digest()
    if (known := deps.recent.get(key, now=time.monotonic())) is not None:
        return known
    try:
        signed_in = await _examine(credential, deps)
    except Unauthenticated as error:
        raise Unauthenticated(error.detail, sign_in_url=deps.settings.clerk_sign_in_url) from error
    left = (signed_in.expires_at - datetime.now(UTC)).total_seconds()
    deps.recent.put(key, signed_in, now=time.monotonic(), seconds=min(REMEMBERED_SECONDS, left))
    return signed_in


async def _examine(credential: str, deps: AuthDeps) -> SignedIn:
    try:
        algorithm = jwt.get_unverified_header(credential).get("alg")
    except jwt.InvalidTokenError as error:
        raise Unauthenticated("The credential is not a token.") from error
    if algorithm == IDENTITY_ALGORITHM:
        return await _renewed_never(credential, deps)
    session = await deps.sessions.verify(credential)
    user = _open(await _sign_in(session.clerk_id, deps))
    DOMAIN_EVENTS.labels("successful_auth").inc()
    _log.info("signed in", signed_in_user_id=str(user.id), session_id=session.session_id)
    return _signed(user, session.session_id, deps)


async def _renewed_never(token: str, deps: AuthDeps) -> SignedIn:
    # An identity token is handed back as it is: one that could be exchanged for a fresh one would outlive
    # the Clerk session for ever.
    principal = deps.identity.verify(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    async with deps.db.read() as session:
        user = _open(await users.find(session, principal.user_id))
    return SignedIn(token, datetime.fromtimestamp(claims["exp"], UTC), user)


async def _sign_in(clerk_id: str, deps: AuthDeps) -> UserRow | None:
    profile, away = await _ask_clerk(clerk_id, deps)
    async with deps.db.read() as session:
        user = await users.find_by_clerk_id(session, clerk_id)
    if user is None and away is not None:
        raise away
    now = deps.clock.now()
    if profile is not None and (user is None or profile.is_newer_than(user)):
        async with deps.db.transaction() as tx:
            return await apply_profile(profile, tx=tx, now=now)
    if user is not None and user.last_active_at <= now - users.ACTIVITY_STEP:
        async with deps.db.transaction() as tx:
            await users.touch(tx.session, user.id, now)
    return user


async def _ask_clerk(clerk_id: str, deps: AuthDeps) -> tuple[Profile | None, ClerkAway | None]:
    # Somebody we know gets in without Clerk's user data; the session itself was proved by its signature.
    try:
        return await deps.directory.user(clerk_id), None
    except ClerkAway as away:
        return None, away


def _open(user: UserRow | None) -> UserRow:
    if user is None or user.deleted_at is not None:
        raise Unauthenticated("There is no such account any more.")
    if user.suspended_at is not None:
        raise AccountSuspended("Write to support if you think this is a mistake.")
    return user


def _signed(user: UserRow, session_id: str, deps: AuthDeps) -> SignedIn:
    # Tokens are judged by the verifiers' own clocks, so they are dated by the machine's, not by the clock
    # that a story in the sandbox may have moved.
    now = datetime.now(UTC)
    lifetime = timedelta(seconds=deps.settings.identity_seconds)
    principal = Principal(
        user_id=user.id,
        roles=frozenset(user.roles),
        name=user.display_name,
        picture=user.image_url,
        session_id=session_id,
    )
    return SignedIn(deps.signer.sign(principal, now=now, lifetime=lifetime), now + lifetime, user)

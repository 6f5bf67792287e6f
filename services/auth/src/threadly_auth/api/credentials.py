"""Where a credential may stand in a request."""

from fastapi import Request

from threadly_chassis.errors import Unauthenticated

#: Clerk's cookie on the application's own domain.
SESSION_COOKIE = "__session"


def credential_of(request: Request, *, sign_in_url: str) -> str | None:
    """The bearer token, else Clerk's cookie, else None; raises `Unauthenticated` for another scheme."""
    header = request.headers.get("authorization", "")
    if not header:
        return request.cookies.get(SESSION_COOKIE) or None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Only bearer tokens are understood.", sign_in_url=sign_in_url)
    return token.strip()

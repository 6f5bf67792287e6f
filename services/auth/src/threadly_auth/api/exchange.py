"""The gateway's question, and the same exchange for callers without the gateway."""

from fastapi import Request, Response, status

from threadly_chassis.errors import Unauthenticated
from threadly_chassis.http import router

from ..dependencies import Deps
from ..use_cases.exchange import exchange
from .credentials import credential_of
from .schemas import TokenAnswer

internal = router("/internal", tags=["internal"])
tokens = router("/v1/auth", tags=["auth"])

IDENTITY_HEADER = "X-Identity-Token"


@internal.get("/exchange", status_code=status.HTTP_204_NO_CONTENT, include_in_schema=False)
async def exchange_for_gateway(request: Request, deps: Deps) -> Response:
    """Answer 204 with an identity token, empty for a request without any credential; 401 for a bad one."""
    credential = credential_of(request, sign_in_url=deps.settings.clerk_sign_in_url)
    token = (await exchange(credential, deps=deps)).token if credential else ""
    return Response(status_code=status.HTTP_204_NO_CONTENT, headers={IDENTITY_HEADER: token})


@tokens.post("/token")
async def issue_token(request: Request, deps: Deps) -> TokenAnswer:
    """Exchange a Clerk session for a short-lived JWT of ours (R-RT-01).

    Behind the gateway the credential has been exchanged already; then that token is what you get.
    """
    credential = credential_of(request, sign_in_url=deps.settings.clerk_sign_in_url)
    if credential is None:
        raise Unauthenticated("There is no session.", sign_in_url=deps.settings.clerk_sign_in_url)
    return TokenAnswer.of(await exchange(credential, deps=deps))

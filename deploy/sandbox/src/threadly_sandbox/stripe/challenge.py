"""The page of the buyer's bank: a 3-D Secure challenge that is passed or failed with one click."""

import hmac
from html import escape
from urllib.parse import urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from ..documents import Json
from . import lifecycle
from .account import Account
from .currencies import display
from .errors import StripeError
from .ids import new_id

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>3-D Secure test page</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 26rem; margin: 12vh auto; padding: 0 1rem;
  color: #1d2733 }}
button {{ font: inherit; padding: .6rem 1.2rem; margin: .3rem .6rem .3rem 0; border: 1px solid #54618a;
  border-radius: .4rem; background: #fff; cursor: pointer }}
button.yes {{ background: #54618a; color: #fff }}
</style></head><body>
<h1>3-D Secure test page</h1>
<p>Your bank asks: is the payment of <strong>{amount}</strong> yours?</p>
{content}
</body></html>"""
_FORM = """<form method="post">
<button class="yes" name="answer" value="approve">Complete authentication</button>
<button name="answer" value="fail">Fail authentication</button></form>"""


def challenge_routes(account: Account) -> list[Route]:
    async def show(request: Request) -> Response:
        try:
            intent = _load(account, request)
        except StripeError as error:
            return HTMLResponse(escape(error.message), error.status)
        content = _FORM if intent["status"] == "requires_action" else _state(intent)
        return HTMLResponse(_page(intent, content))

    async def decide(request: Request) -> Response:
        form = await request.form()
        try:
            intent = _load(account, request)
        except StripeError as error:
            return HTMLResponse(escape(error.message), error.status)
        approved = form.get("answer") == "approve"
        return_url = _return_url(intent)
        with account.documents.transaction():
            try:
                lifecycle.finish_challenge(
                    account.on_behalf_of(new_id("req"), None), intent, approved=approved
                )
            except StripeError as error:
                if not error.executed:
                    raise
        if return_url is None:
            return HTMLResponse(_page(intent, _state(intent)))
        return RedirectResponse(_with_result(return_url, intent, approved=approved), 303)

    path = "/challenge/{id}"
    return [Route(path, show, methods=["GET"]), Route(path, decide, methods=["POST"])]


def _load(account: Account, request: Request) -> Json:
    """Whoever knows the client secret may answer the challenge."""
    intent = account.load("payment_intent", request.path_params["id"], param="intent")
    given = request.query_params.get("client_secret", "")
    if not hmac.compare_digest(given.encode(), intent["client_secret"].encode()):
        raise StripeError.missing_resource("payment_intent", intent["id"], "intent")
    return intent


def _return_url(intent: Json) -> str | None:
    action = intent["next_action"] or {}
    url: str | None = action.get("redirect_to_url", {}).get("return_url")
    return url


def _with_result(return_url: str, intent: Json, *, approved: bool) -> str:
    parts = urlsplit(return_url)
    result = urlencode(
        {
            "payment_intent": intent["id"],
            "payment_intent_client_secret": intent["client_secret"],
            "redirect_status": "succeeded" if approved else "failed",
        }
    )
    return urlunsplit(parts._replace(query=f"{parts.query}&{result}" if parts.query else result))


def _page(intent: Json, content: str) -> str:
    return _PAGE.format(amount=escape(display(intent["amount"], intent["currency"])), content=content)


def _state(intent: Json) -> str:
    return f"<p>Nothing to do: the payment is <code>{escape(intent['status'])}</code>.</p>"

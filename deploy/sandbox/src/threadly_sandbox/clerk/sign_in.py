"""The pages where a person signs in: choose somebody, or become somebody new.

They stand in for Clerk's hosted pages and for clerk-js, which renews the `__session` cookie every minute;
here the cookie simply lives longer (`clerk_sign_in_seconds`).
"""

from html import escape
from urllib.parse import urlsplit

from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from ..documents import Json
from ..settings import SandboxSettings
from .errors import ClerkError
from .instance import Instance
from .queries import UserQuery
from .records import CreateUser

_COOKIE = "__session"
_SHOWN = 100  # people on the page
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Sign in to Threadly</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 8vh auto; padding: 0 1rem }}
button, input {{ font: inherit; padding: .5rem .8rem; border: 1px solid #8886; border-radius: .5rem;
  width: 100%; box-sizing: border-box; margin: .2rem 0 }}
button {{ text-align: left; cursor: pointer }}
button small {{ opacity: .7; display: block }}
textarea {{ width: 100%; height: 9rem; box-sizing: border-box; font: .8rem/1.4 ui-monospace, monospace }}
.error {{ color: #c33 }}
</style></head><body>{content}</body></html>"""

_SIGNED_IN = """<h1>Signed in</h1>
<p>The cookie <code>{cookie}</code> is set. For other clients, the session token (good for {minutes} minutes)
to send as <code>Authorization: Bearer</code>:</p><textarea readonly>{token}</textarea>"""

_INPUTS = """
<input name="first_name" placeholder="First name" aria-label="First name" required maxlength="100">
<input name="last_name" placeholder="Last name" aria-label="Last name" required maxlength="100">
<input name="email_address" placeholder="Email address" aria-label="Email address" type="email" required
  maxlength="254">
"""


def sign_in_routes(instance: Instance, settings: SandboxSettings) -> list[Route]:
    pages = _Pages(instance, settings)
    return [
        Route("/sign-in", pages.choose, methods=["GET"]),
        Route("/sign-in", pages.sign_in, methods=["POST"]),
        Route("/sign-up", pages.choose, methods=["GET"]),
        Route("/sign-up", pages.sign_up, methods=["POST"]),
        Route("/sign-out", pages.sign_out, methods=["GET"]),
    ]


class _Pages:
    def __init__(self, instance: Instance, settings: SandboxSettings) -> None:
        self._instance = instance
        self._lifetime = settings.clerk_sign_in_seconds
        self._friends = {
            urlsplit(url).hostname for url in (settings.clerk_authorized_party, settings.public_url)
        }

    async def choose(self, request: Request) -> Response:
        return self._chooser(request.query_params.get("redirect_url", ""))

    async def sign_in(self, request: Request) -> Response:
        form = await request.form()
        return self._enter(_text(form, "user_id"), _text(form, "redirect_url"))

    async def sign_up(self, request: Request) -> Response:
        form = await request.form()
        try:
            wanted = CreateUser(
                email_address=[_text(form, "email_address")],
                first_name=_text(form, "first_name"),
                last_name=_text(form, "last_name"),
            )
            with self._instance.documents.transaction():
                user = self._instance.users.create(wanted)
        except (ValidationError, ClerkError) as error:
            reason = error.message if isinstance(error, ClerkError) else "That is no email address."
            return self._chooser(_text(form, "redirect_url"), reason, status=422)
        return self._enter(user["id"], _text(form, "redirect_url"))

    async def sign_out(self, request: Request) -> Response:
        response = self._onward(request.query_params.get("redirect_url", ""), "<h1>Signed out</h1>")
        response.delete_cookie(_COOKIE)
        return response

    def _enter(self, user_id: str, redirect_url: str) -> Response:
        with self._instance.documents.transaction():
            session = self._instance.sessions.create(user_id)
            token = self._instance.sessions.token(session["id"], self._lifetime)
        content = _SIGNED_IN.format(cookie=_COOKIE, minutes=self._lifetime // 60, token=escape(token))
        response = self._onward(redirect_url, content)
        # Readable by scripts, as Clerk's own; a cookie of 127.0.0.1 is sent to every port.
        response.set_cookie(_COOKIE, token, max_age=self._lifetime, samesite="lax")
        return response

    def _onward(self, redirect_url: str, otherwise: str) -> Response:
        """Back to where the person came from, on Threadly's own hosts: API, shop, operators' page."""
        parts = urlsplit(redirect_url)
        if parts.scheme in {"http", "https"} and parts.hostname in self._friends:
            return RedirectResponse(redirect_url, 303)
        return HTMLResponse(_PAGE.format(content=otherwise))

    def _chooser(self, redirect_url: str, problem: str = "", status: int = 200) -> Response:
        people = self._instance.users.find(UserQuery(banned=False))[:_SHOWN]
        hidden = f'<input type="hidden" name="redirect_url" value="{escape(redirect_url)}">'
        rows = "".join(_button(user) for user in people) or "<p>Nobody is here yet.</p>"
        complaint = f'<p class="error">{escape(problem)}</p>' if problem else ""
        content = (
            f'<h1>Who are you?</h1><form method="post" action="sign-in">{hidden}{rows}</form>'
            f'<h2>Somebody new</h2>{complaint}<form method="post" action="sign-up">{hidden}'
            f"{_INPUTS}"
            "<button>Create the account and sign in</button></form>"
        )
        return HTMLResponse(_PAGE.format(content=content), status)


def _button(user: Json) -> str:
    name = " ".join(filter(None, (user["first_name"], user["last_name"]))) or user["id"]
    address = user["email_addresses"][0]["email_address"]
    return (
        f'<button name="user_id" value="{escape(user["id"])}">{escape(name)}'
        f"<small>{escape(address)}</small></button>"
    )


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""

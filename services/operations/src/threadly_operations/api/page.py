"""The operators' page: dead letters by group, one whole, replay and discard."""

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

routes = APIRouter(include_in_schema=False)
_HTML = (files("threadly_operations") / "page.html").read_text()


@routes.get("/")
async def page() -> HTMLResponse:
    """The page itself; what it shows comes from the API, with the operator's own token."""
    return HTMLResponse(_HTML, headers={"Content-Security-Policy": "default-src 'self' 'unsafe-inline'"})

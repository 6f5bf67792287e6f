"""Auth's HTTP process: `python -m threadly_auth.main`."""

from fastapi import FastAPI

from threadly_chassis.http import create_app, run_http

from .api.exchange import internal, tokens
from .api.users import users
from .api.webhooks import webhooks
from .dependencies import open_deps
from .settings import AuthSettings


def build_app(settings: AuthSettings) -> FastAPI:
    """Put the service together."""
    return create_app(settings, routers=[internal, tokens, users, webhooks], open_deps=open_deps)


if __name__ == "__main__":
    _settings = AuthSettings()
    run_http(_settings, build_app(_settings))

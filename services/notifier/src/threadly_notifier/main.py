"""Notifier's HTTP side: `python -m threadly_notifier.main`."""

from fastapi import FastAPI

from threadly_chassis.http import create_app, run_http

from .api import notifications
from .dependencies import open_deps
from .settings import NotifierSettings


def build_app(settings: NotifierSettings) -> FastAPI:
    """Notifier's application."""
    return create_app(settings, routers=[notifications.routes], open_deps=open_deps)


if __name__ == "__main__":
    chosen = NotifierSettings()
    run_http(chosen, build_app(chosen))

"""Messaging's HTTP process: `python -m threadly_messaging.main`."""

from fastapi import FastAPI

from threadly_chassis.http import create_app, run_http

from .api.conversations import conversations
from .api.messages import messages
from .api.realtime import realtime
from .dependencies import open_deps
from .settings import MessagingSettings


def build_app(settings: MessagingSettings) -> FastAPI:
    """Put the service together."""
    return create_app(settings, routers=[conversations, messages, realtime], open_deps=open_deps)


if __name__ == "__main__":
    _settings = MessagingSettings()
    run_http(_settings, build_app(_settings))

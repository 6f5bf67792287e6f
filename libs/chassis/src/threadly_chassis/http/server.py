"""Runs a service's application in this process."""

import uvicorn
from fastapi import FastAPI

from ..collector import tune_collector
from ..observability.errors import configure_sentry
from ..observability.logging import configure_logging
from ..observability.tracing import configure_tracing
from ..settings import ServiceSettings


def configure_observability(settings: ServiceSettings) -> None:
    """Set up logs, traces and error reports for this process."""
    configure_logging(settings.service, settings.log_level)
    configure_tracing(settings.service, settings.otlp_endpoint)
    configure_sentry(settings.service, settings.sentry_dsn, settings.release)


def run_http(settings: ServiceSettings, app: FastAPI) -> None:
    """Serve until SIGTERM, then finish the requests under way (at most 20 s) and return."""
    configure_observability(settings)
    tune_collector()
    uvicorn.run(
        app,
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=20,
        loop="uvloop",
        http="httptools",
    )

"""Operations' HTTP side: `python -m threadly_operations.main`."""

from fastapi import FastAPI

from threadly_chassis.http import create_app, run_http

from .api import dead_letters, edits, page, rehearsals
from .dependencies import open_deps
from .settings import OperationsSettings


def build_app(settings: OperationsSettings) -> FastAPI:
    """Operations' application."""
    return create_app(
        settings,
        routers=[dead_letters.routes, edits.routes, rehearsals.routes, page.routes],
        open_deps=open_deps,
    )


if __name__ == "__main__":
    chosen = OperationsSettings()
    run_http(chosen, build_app(chosen))

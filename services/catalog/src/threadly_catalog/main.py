"""Catalog's HTTP side: `python -m threadly_catalog.main`."""

from fastapi import FastAPI

from threadly_chassis.http import create_app, run_http

from .api import categories, products
from .dependencies import open_deps
from .settings import CatalogSettings


def build_app(settings: CatalogSettings) -> FastAPI:
    """Catalog's application."""
    return create_app(settings, routers=[categories.routes, products.routes], open_deps=open_deps)


if __name__ == "__main__":
    chosen = CatalogSettings()
    run_http(chosen, build_app(chosen))

"""Search-indexer's HTTP process: `python -m threadly_search_indexer.main`."""

from fastapi import FastAPI

from threadly_chassis.http import create_app, run_http

from .api.search import search
from .dependencies import open_deps
from .settings import SearchIndexerSettings


def build_app(settings: SearchIndexerSettings) -> FastAPI:
    """Put the service together."""
    return create_app(settings, routers=[search], open_deps=open_deps)


if __name__ == "__main__":
    _settings = SearchIndexerSettings()
    run_http(_settings, build_app(_settings))

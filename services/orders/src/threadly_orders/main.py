"""Orders' HTTP process: `python -m threadly_orders.main`."""

from fastapi import FastAPI

from threadly_chassis.http import create_app, run_http

from .api.checkouts import checkouts
from .api.orders import orders
from .api.stripe_webhook import webhooks
from .dependencies import open_deps
from .settings import OrdersSettings


def build_app(settings: OrdersSettings) -> FastAPI:
    """Put the service together."""
    return create_app(settings, routers=[checkouts, orders, webhooks], open_deps=open_deps)


if __name__ == "__main__":
    _settings = OrdersSettings()
    run_http(_settings, build_app(_settings))

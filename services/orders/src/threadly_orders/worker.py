"""Orders' background process: `python -m threadly_orders.worker`."""

from threadly_chassis.worker import run_worker

from .dependencies import open_deps
from .schedules import schedules
from .settings import OrdersSettings
from .subscriptions import SUBSCRIPTIONS

if __name__ == "__main__":
    _settings = OrdersSettings()
    run_worker(_settings, open_deps=open_deps, subscriptions=SUBSCRIPTIONS, schedules=schedules(_settings))

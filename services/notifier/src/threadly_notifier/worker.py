"""Notifier's work off HTTP: `python -m threadly_notifier.worker`."""

from threadly_chassis.worker import run_worker

from .dependencies import open_deps
from .settings import NotifierSettings
from .subscriptions import SUBSCRIPTIONS

if __name__ == "__main__":
    run_worker(NotifierSettings(), open_deps=open_deps, subscriptions=SUBSCRIPTIONS)

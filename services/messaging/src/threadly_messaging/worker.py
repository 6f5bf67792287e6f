"""Messaging's background process: `python -m threadly_messaging.worker`."""

from threadly_chassis.worker import run_worker

from .dependencies import open_deps
from .settings import MessagingSettings
from .subscriptions import SUBSCRIPTIONS

if __name__ == "__main__":
    run_worker(MessagingSettings(), open_deps=open_deps, subscriptions=SUBSCRIPTIONS)

"""Auth's background process: `python -m threadly_auth.worker`."""

from threadly_chassis.worker import run_worker

from .dependencies import open_deps
from .schedules import SCHEDULES
from .settings import AuthSettings
from .subscriptions import SUBSCRIPTIONS
from .use_cases.restate import SNAPSHOTS

if __name__ == "__main__":
    run_worker(
        AuthSettings(),
        open_deps=open_deps,
        subscriptions=SUBSCRIPTIONS,
        schedules=SCHEDULES,
        snapshots=SNAPSHOTS,
    )

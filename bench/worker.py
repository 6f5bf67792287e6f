"""`python -m bench.worker`: relay and consumer as they run in production, in a process of their own."""

from threadly_chassis.worker import run_worker

from .service import SUBSCRIPTIONS, BenchSettings, open_deps

if __name__ == "__main__":
    run_worker(BenchSettings(), open_deps=open_deps, subscriptions=SUBSCRIPTIONS)

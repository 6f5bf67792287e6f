"""`python -m threadly_chassis.testing.specimen.worker`: what the kill tests kill."""

from ...worker import run_worker
from .service import SUBSCRIPTIONS, SpecimenSettings, open_deps

if __name__ == "__main__":
    run_worker(SpecimenSettings(), open_deps=open_deps, subscriptions=SUBSCRIPTIONS)

"""`python -m threadly_chassis.testing.specimen.worker`: what the kill tests kill."""

from ...worker import run_worker
from .service import SUBSCRIPTIONS, SpecimenSettings, open_deps


def main() -> None:
    """Run it, as the environment says."""
    run_worker(SpecimenSettings(), open_deps=open_deps, subscriptions=SUBSCRIPTIONS)


if __name__ == "__main__":
    main()

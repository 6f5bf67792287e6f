"""`python -m threadly_chassis.testing.library.worker author|reader`: what the tests of rebuilds kill."""

import sys

from ...worker import run_worker
from .service import AUTHOR, AUTHOR_SNAPSHOTS, READER, AuthorSettings, ReaderSettings, open_deps


def main(service: str) -> None:
    """Run one of the two."""
    if service == "author":
        run_worker(AuthorSettings(), open_deps=open_deps, subscriptions=AUTHOR, snapshots=AUTHOR_SNAPSHOTS)
    else:
        run_worker(ReaderSettings(), open_deps=open_deps, subscriptions=READER)


if __name__ == "__main__":
    main(sys.argv[1])

"""Brings a service's database up to date: first the chassis' tables, then the service's own.

`python -m threadly_chassis.db.migrate threadly_orders` reads `THREADLY_ORDERS_DATABASE_URL`. A package's
migrations are the Alembic revisions in its `migrations/versions/`; the two histories have a version table
each, so that neither needs to know of the other.
"""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from ..outbox.partitions import make_partitions, open_housekeeper
from .database import driver_url

#: An arbitrary number that all migrators lock, so that two of them take turns.
_LOCK = 7_406_114_305


def _upgrade(connection: Connection, versions: Path, version_table: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(versions.parent))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(versions))
    script = ScriptDirectory.from_config(config)

    def steps(revision: Any, _: Any) -> Any:
        return script._upgrade_revs("head", revision)  # noqa: SLF001 - what alembic's own upgrade command calls

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=connection, version_table=version_table)
        with environment.begin_transaction():
            environment.run_migrations()


def migrate(package: str, url: str) -> None:
    """Upgrade the database at `url` to the newest revision of the chassis and of `package`.

    Raises what the failing revision raises; that revision's history is rolled back whole. Waits at most
    5 s for a lock and runs at most 60 s a statement, so a migration never holds a live table for long.
    """
    chassis = Path(__file__).parent / "chassis_migrations" / "versions"
    module = import_module(package)
    own = Path(next(iter(module.__path__))) / "migrations" / "versions"
    engine = create_engine(driver_url(url))
    try:
        with engine.connect() as connection:
            connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK})
            connection.execute(text("set lock_timeout = '5s'"))
            connection.execute(text("set statement_timeout = '60s'"))
            connection.commit()
            _upgrade(connection, chassis, "chassis_version")
            if own.is_dir():
                _upgrade(connection, own, "alembic_version")
            connection.commit()
    finally:
        engine.dispose()
    # Before the first row comes: what lands in a default partition would have to be moved.
    with open_housekeeper(url) as housekeeper:
        make_partitions(housekeeper)


def main(arguments: list[str]) -> int:
    """Migrate the packages named on the command line; returns the exit code."""
    if not arguments:
        sys.stderr.write("usage: python -m threadly_chassis.db.migrate threadly_<service> …\n")
        return 2
    for package in arguments:
        variable = f"{package.upper()}_DATABASE_URL"
        url = os.environ.get(variable)
        if not url:
            sys.stderr.write(f"migrate: {variable} is not set\n")
            return 2
        migrate(package, url)
        sys.stdout.write(f"migrated {package}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

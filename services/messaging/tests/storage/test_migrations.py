"""The migrated database is what the tables declare."""

import pytest

from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.schema import assert_migrations_match
from threadly_messaging.storage.tables import Base


@pytest.mark.integration
def test_the_migrations_make_what_the_tables_declare(service_database: DatabaseFactory) -> None:
    """R-SYS-02: nothing is generated at run time, so the two must be proved equal."""
    assert_migrations_match(service_database("threadly_messaging"), Base.metadata)

"""The migrated database is what the tables declare."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from threadly_chassis.db.database import driver_url
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_notifier.storage.tables import Base

pytestmark = pytest.mark.integration


def test_migrations_and_tables_agree(service_database: DatabaseFactory) -> None:
    engine = create_engine(driver_url(service_database("threadly_notifier")))
    own = set(Base.metadata.tables)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or name in own}
        )
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()

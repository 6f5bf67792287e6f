"""The migration makes the declared tables."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from threadly_chassis.db.database import driver_url
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_messaging.storage.tables import Base


@pytest.mark.integration
def test_the_migrated_schema_is_the_declared_one(service_database: DatabaseFactory) -> None:
    engine = create_engine(driver_url(service_database("threadly_messaging")))
    own = set(Base.metadata.tables)
    options = {"include_name": lambda name, kind, _: kind != "table" or name in own, "compare_type": True}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()

    assert differences == []

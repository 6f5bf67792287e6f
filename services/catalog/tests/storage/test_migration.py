"""What the migrations make is what the tables say."""

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from threadly_catalog.storage.tables import Base
from threadly_chassis.db.database import driver_url
from threadly_chassis.testing.fixtures import DatabaseFactory

pytestmark = pytest.mark.integration


def test_the_migrated_schema_is_the_declared_one(service_database: DatabaseFactory) -> None:
    own = set(Base.metadata.tables)

    def is_own(thing: Any, name: str | None, kind: str, *_: Any) -> bool:
        return kind != "table" or name in own

    engine = create_engine(driver_url(service_database("threadly_catalog")))
    with engine.connect() as connection:
        options = {"include_object": is_own, "compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []
        # Alembic does not compare checks.
        for table in Base.metadata.sorted_tables:
            made = {check["name"] for check in inspect(connection).get_check_constraints(table.name)}
            declared = {
                str(one.name) for one in table.constraints if one.__visit_name__ == "check_constraint"
            }
            assert made == declared, table.name
    engine.dispose()

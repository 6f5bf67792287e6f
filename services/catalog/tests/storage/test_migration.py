"""What the migrations make is what the tables say."""

from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, Table, create_engine, inspect, text

from threadly_catalog.storage.tables import Base
from threadly_chassis.db.database import driver_url
from threadly_chassis.testing.fixtures import DatabaseFactory

pytestmark = pytest.mark.integration


@pytest.fixture
def connection(service_database: DatabaseFactory) -> Iterator[Connection]:
    engine = create_engine(driver_url(service_database("threadly_catalog")))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_the_migrated_schema_is_the_declared_one(connection: Connection) -> None:
    own = set(Base.metadata.tables)

    def is_own(_: Any, name: str | None, kind: str, *__: Any) -> bool:
        return kind != "table" or name in own

    options = {"include_object": is_own, "compare_type": True, "compare_server_default": True}
    context = MigrationContext.configure(connection, opts=options)
    assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=str)
def test_the_checks_are_the_declared_ones(connection: Connection, table: Table) -> None:
    """Alembic compares no checks; what they say is compared as PostgreSQL writes it."""
    declared = [one for one in table.constraints if isinstance(one, CheckConstraint)]
    made = {
        check["name"]: check["sqltext"] for check in inspect(connection).get_check_constraints(table.name)
    }
    assert set(made) == {str(one.name) for one in declared}
    twin = f"twin_{table.name}"
    connection.execute(text(f"create temporary table {twin} (like {table.name})"))
    for one in declared:
        connection.execute(text(f"alter table {twin} add constraint {one.name} check ({one.sqltext})"))
    assert made == {c["name"]: c["sqltext"] for c in inspect(connection).get_check_constraints(twin)}

"""Whether a package's migrations make what its tables declare."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, MetaData, Table, create_engine, inspect, text

from ..db.database import driver_url


def assert_migrations_match(database_url: str, metadata: MetaData) -> None:
    """Raise `AssertionError` unless a migrated database has the declared tables and checks.

    Tables of others in it, the chassis' own for example, are passed over.
    """
    engine = create_engine(driver_url(database_url))
    try:
        with engine.connect() as connection:
            differences = _differences(connection, metadata)
            for table in metadata.sorted_tables:
                differences += _check_differences(connection, table)
    finally:
        engine.dispose()
    if differences:
        raise AssertionError(f"migrations and tables differ: {differences}")


def _differences(connection: Connection, metadata: MetaData) -> list[Any]:
    own = set(metadata.tables)
    options = {
        "include_name": lambda name, kind, _: kind != "table" or name in own,
        "compare_type": True,
        "compare_server_default": True,
    }
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def _check_differences(connection: Connection, table: Table) -> list[Any]:
    """Alembic compares no checks; what they say is compared as PostgreSQL writes it, by means of a twin."""
    declared = [one for one in table.constraints if isinstance(one, CheckConstraint)]
    twin = f"twin_{table.name}"
    connection.execute(text(f"create temporary table {twin} (like {table.name})"))
    for one in declared:
        connection.execute(text(f"alter table {twin} add constraint {one.name} check ({one.sqltext})"))
    made, said = _checks(connection, table.name), _checks(connection, twin)
    names = sorted(made.keys() | said.keys())
    return [
        (table.name, name, made.get(name), said.get(name))
        for name in names
        if made.get(name) != said.get(name)
    ]


def _checks(connection: Connection, table: str) -> dict[str, str]:
    found = inspect(connection).get_check_constraints(table)
    return {str(check["name"]): check["sqltext"] for check in found}

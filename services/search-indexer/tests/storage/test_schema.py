import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from threadly_chassis.db.database import driver_url
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_search_indexer.storage.tables import Base

pytestmark = pytest.mark.integration


def test_the_migrations_make_what_the_tables_declare(service_database: DatabaseFactory) -> None:
    engine = create_engine(driver_url(service_database("threadly_search_indexer")))
    own = set(Base.metadata.tables)

    def ours(_: object, name: str | None, kind: str, *__: object) -> bool:
        return kind != "table" or name in own

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours})
        assert compare_metadata(context, Base.metadata) == []
        assert own <= set(inspect(connection).get_table_names())
    engine.dispose()

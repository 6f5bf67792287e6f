"""The comparison that every service's suite relies on sees what it must see."""

import pytest
from sqlalchemy import CheckConstraint, Column, Integer, MetaData, Table, Text, create_engine, text

from threadly_chassis.db.database import driver_url
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.schema import assert_migrations_match

pytestmark = pytest.mark.integration


@pytest.fixture
def url(service_database: DatabaseFactory) -> str:
    url = service_database("threadly_chassis")
    engine = create_engine(driver_url(url))
    with engine.begin() as connection:
        connection.execute(
            text(
                "create table shelf (id integer primary key, name text not null default 'new', "
                "constraint ck_name check (name <> ''))"
            )
        )
    engine.dispose()
    return url


def _shelf(*extra: Column[int], rule: str = "name <> ''", default: str = "new") -> MetaData:
    metadata = MetaData()
    Table(
        "shelf",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", Text, nullable=False, server_default=default),
        *extra,
        CheckConstraint(rule, name="ck_name"),
    )
    return metadata


def test_what_agrees_passes(url: str) -> None:
    assert_migrations_match(url, _shelf())


@pytest.mark.parametrize(
    ("metadata", "seen"),
    [
        (_shelf(Column("width", Integer)), "width"),
        (_shelf(default="old"), "modify_default"),
        (_shelf(rule="name <> 'shelf'"), "ck_name"),
    ],
    ids=["column", "default", "check"],
)
def test_what_differs_is_named(url: str, metadata: MetaData, seen: str) -> None:
    with pytest.raises(AssertionError, match=seen):
        assert_migrations_match(url, metadata)

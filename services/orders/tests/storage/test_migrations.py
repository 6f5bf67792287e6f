from collections.abc import Callable
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from threadly_chassis.db.database import driver_url
from threadly_orders.storage.tables import Base

pytestmark = pytest.mark.integration


def _is_own(_thing: Any, name: str | None, kind: str, reflected: bool, _to: Any) -> bool:  # noqa: FBT001 - alembic's call
    return not (kind == "table" and reflected and name not in Base.metadata.tables)


def test_the_migrations_make_what_the_tables_declare(service_database: Callable[[str], str]) -> None:
    """R-SYS-02: nothing is generated at run time, so the two must be proved equal."""
    engine = create_engine(driver_url(service_database("threadly_orders")))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_object": _is_own}
        )
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


@pytest.mark.parametrize(
    "values",
    [
        "null, null",
        "'019a0000-0000-7000-8000-000000000001', 'ITEM_GONE'",
    ],
)
async def test_money_has_an_order_or_a_reason_to_go_back(shop: Any, values: str) -> None:
    """Architecture §5: the database itself refuses a capture that has neither, or both."""
    from sqlalchemy import text  # noqa: PLC0415 - only here
    from sqlalchemy.exc import IntegrityError  # noqa: PLC0415 - only here

    statement = (
        "insert into payment (id, version, status, checkout_id, payment_intent_id, amount_minor, currency, "
        "captured_at, order_id, rejection) "
        f"select gen_random_uuid(), 1, 'COMPLETED', gen_random_uuid(), 'pi', 1, 'EUR', now(), {values}"
    )
    with pytest.raises(IntegrityError, match="ck_payment_order_or_rejection"):
        async with shop.deps.db.transaction() as tx:
            await tx.session.execute(text(statement))

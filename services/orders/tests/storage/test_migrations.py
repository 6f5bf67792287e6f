from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.schema import assert_migrations_match
from threadly_orders.storage.tables import Base

pytestmark = pytest.mark.integration


def test_the_migrations_make_what_the_tables_declare(service_database: DatabaseFactory) -> None:
    """R-SYS-02: nothing is generated at run time, so the two must be proved equal."""
    assert_migrations_match(service_database("threadly_orders"), Base.metadata)


@pytest.mark.parametrize(
    "values",
    [
        "null, null",
        "'019a0000-0000-7000-8000-000000000001', 'ITEM_GONE'",
    ],
)
async def test_money_has_an_order_or_a_reason_to_go_back(shop: Any, values: str) -> None:
    """Architecture §5: the database itself refuses a capture that has neither, or both."""
    statement = (
        "insert into payment (id, version, status, checkout_id, payment_intent_id, amount_minor, currency, "
        "captured_at, order_id, rejection) "
        f"select gen_random_uuid(), 1, 'COMPLETED', gen_random_uuid(), 'pi', 1, 'EUR', now(), {values}"
    )
    with pytest.raises(IntegrityError, match="ck_payment_order_or_rejection"):
        async with shop.deps.db.transaction() as tx:
            await tx.session.execute(text(statement))

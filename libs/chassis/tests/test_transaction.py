"""A transaction's count of business facts."""

import pytest
from prometheus_client import REGISTRY

from threadly_chassis.db import Database

pytestmark = pytest.mark.integration


def _counted(fact: str) -> float:
    return REGISTRY.get_sample_value("threadly_domain_total", {"what": fact}) or 0.0


async def test_a_fact_is_counted_when_its_transaction_has_committed(db: Database) -> None:
    before = _counted("dress_sold")
    async with db.transaction() as tx:
        tx.count("dress_sold")
        assert _counted("dress_sold") == before
    assert _counted("dress_sold") == before + 1


async def _sell_and_fail(db: Database) -> None:
    async with db.transaction() as tx:
        tx.count("dress_sold")
        raise LookupError


async def test_what_was_rolled_back_never_happened(db: Database) -> None:
    before = _counted("dress_sold")
    with pytest.raises(LookupError):
        await _sell_and_fail(db)
    assert _counted("dress_sold") == before

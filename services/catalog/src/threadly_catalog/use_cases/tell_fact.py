"""Tell those who watch the system of a business fact."""

from threadly_chassis.db import Transaction
from threadly_chassis.observability.logging import get_logger

_log = get_logger(__name__)


def tell_once_committed(tx: Transaction, fact: str, **ids: object) -> None:
    """Log and count a fact when it is one: once `tx` has committed (R-CAT-12)."""

    async def tell() -> None:
        _log.info(fact, **{name: str(value) for name, value in ids.items()})

    tx.count(fact)
    tx.after_commit(tell)

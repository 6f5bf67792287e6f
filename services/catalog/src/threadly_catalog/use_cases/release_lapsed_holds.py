"""The safety net under checkouts that never say that they ended."""

from uuid import UUID

from threadly_chassis.observability.logging import get_logger
from threadly_contracts.catalog import ProductReleased

from ..dependencies import CatalogDeps
from ..domain.stock import release_lapsed
from ..storage.products import held_until_before, stock_of
from .move_stock import lock_stock, move_stock

log = get_logger(__name__)
#: Products freed in one run; the next run takes the rest.
_BATCH = 100


async def release_lapsed_holds(deps: CatalogDeps) -> None:
    """Free each item whose checkout is past its end by more than the grace, each in its own transaction.

    Harmless when orders merely lags: its index still refuses a second checkout, and an order that is
    confirmed after all makes the item SOLD from AVAILABLE too.
    """
    before = deps.clock.now() - deps.settings.hold_grace
    async with deps.db.read() as session:
        lapsed = await held_until_before(session, before, _BATCH)
    for product_id in lapsed:
        await _release(deps, product_id)


async def _release(deps: CatalogDeps, product_id: UUID) -> None:
    now = deps.clock.now()
    async with deps.db.transaction() as tx:
        row = await lock_stock(tx, product_id)
        checkout_id = row.held_by
        if checkout_id is None:
            return
        await move_stock(
            tx,
            row,
            release_lapsed(stock_of(row), now - deps.settings.hold_grace),
            now=now,
            says=lambda facts: ProductReleased(**facts, checkout_id=checkout_id),
        )
    log.warning("hold lapsed without an end", product_id=str(product_id), checkout_id=str(checkout_id))

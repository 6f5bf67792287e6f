"""Free the items of those who did not pay in time (E031)."""

from threadly_chassis.observability.logging import get_logger
from threadly_contracts.orders import CheckoutEnding

from ..dependencies import OrdersDeps
from ..gateways.payments import PaymentsUnavailable
from ..storage import checkouts
from .end_checkout import end_checkout

_log = get_logger(__name__)
_BATCH = 100


async def expire_checkouts(deps: OrdersDeps) -> None:
    """End every checkout whose time is up.

    Without Stripe they stay: an item that is freed while its payment can still succeed would be sold twice to
    be refunded once. Nobody else could pay for it meanwhile either.
    """
    async with deps.db.read() as session:
        overdue = await checkouts.overdue(session, deps.clock.now(), limit=_BATCH)
    for checkout_id in overdue:
        try:
            await end_checkout(checkout_id, CheckoutEnding.EXPIRED, deps=deps)
        except PaymentsUnavailable as error:
            _log.warning("expiry waits for Stripe", checkout=str(checkout_id), error=str(error))
            return

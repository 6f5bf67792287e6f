"""Finish what a crash left between the reservation and the PaymentIntent, or let it go (E035)."""

from contextlib import suppress

from ..dependencies import OrdersDeps
from ..domain.errors import AmountNotChargeable
from ..gateways.payments import PaymentsUnavailable
from ..storage import checkouts
from .start_checkout import prepare_payment

_BATCH = 50


async def sweep_checkouts(deps: OrdersDeps) -> None:
    """Give every checkout without one its intent; its id as key finds the one that was made before."""
    before = deps.clock.now() - deps.settings.intent_patience
    async with deps.db.read() as session:
        left_behind = await checkouts.without_intent(session, before, limit=_BATCH)
    for checkout in left_behind:
        # `prepare_payment` has let the item go when it raises one of these.
        with suppress(PaymentsUnavailable, AmountNotChargeable):
            await prepare_payment(checkout, deps=deps)

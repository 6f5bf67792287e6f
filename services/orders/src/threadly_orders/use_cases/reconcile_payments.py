"""Compare Stripe's captures with our payments: the last net under webhook and poll (architecture §5.6)."""

from contextlib import aclosing

from threadly_chassis.observability.errors import capture

from ..dependencies import OrdersDeps
from ..domain.errors import PromiseBroken
from ..gateways.payments import IntentStatus
from ..storage import payments
from .follow_intent import follow_intent


async def reconcile_payments(deps: OrdersDeps) -> None:
    """Settle every captured intent of the window that no payment was recorded for, and report it.

    Raises `PaymentsUnavailable`.
    """
    since = deps.clock.now() - deps.settings.reconcile_window
    async with aclosing(deps.payments.intents_since(since)) as intents:
        async for intent in intents:
            if intent.status is not IntentStatus.SUCCEEDED or intent.checkout_id is None:
                continue
            async with deps.db.read() as session:
                if await payments.by_intent(session, intent.id):
                    continue
            await follow_intent(intent, deps=deps)
            capture(PromiseBroken(f"{intent.id} was captured and not heard of"), kind="promise")

"""Compare Stripe's captures with our payments: the last net under webhook and poll (architecture §5.6)."""

from contextlib import aclosing

from threadly_chassis.observability.logging import get_logger
from threadly_chassis.observability.metrics import DOMAIN_EVENTS

from ..dependencies import OrdersDeps
from ..gateways.payments import IntentStatus
from ..storage import payments
from .follow_intent import follow_intent

_log = get_logger(__name__)


async def reconcile_payments(deps: OrdersDeps) -> None:
    """Settle every captured intent of the window that no payment was recorded for.

    Counted and logged but no alert: now and then it is a second faster than the webhook. Raises
    `PaymentsUnavailable`.
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
            DOMAIN_EVENTS.labels("capture_found_by_reconciler").inc()
            _log.warning("a capture that nobody had told of", payment_intent=intent.id)

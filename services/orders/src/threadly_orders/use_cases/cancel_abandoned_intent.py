"""See to it that nobody pays for a checkout that is over."""

from threadly_chassis.messaging import EffectContext

from ..dependencies import OrdersDeps
from ..domain.messages import IntentAbandoned
from .follow_intent import follow_intent


async def cancel_abandoned_intent(event: IntentAbandoned, context: EffectContext[OrdersDeps]) -> None:
    """Cancel the intent at Stripe; if it was paid in the meantime, settle that (E032)."""
    intent = await context.deps.payments.cancel_intent(event.payment_intent_id)
    await follow_intent(intent, deps=context.deps)

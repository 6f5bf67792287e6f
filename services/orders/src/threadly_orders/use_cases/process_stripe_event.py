"""Do what one of Stripe's events asks for, by what Stripe says now and not by what the event said then."""

from threadly_chassis.messaging import EffectContext

from ..dependencies import OrdersDeps
from ..domain.messages import StripeEventReceived
from ..storage import sync
from .follow_intent import follow_intent
from .give_money_back import follow_refund


async def process_stripe_event(event: StripeEventReceived, context: EffectContext[OrdersDeps]) -> None:
    """Fetch the event's object and follow it; types that do not concern us are only ticked off (R-ORD-04)."""
    deps, news = context.deps, (event.stripe_event_id, event.event_type)
    if event.payment_intent_id is not None and event.event_type.startswith("payment_intent."):
        intent = await deps.payments.retrieve_intent(event.payment_intent_id)
        await follow_intent(intent, deps=deps, news=news)
    elif event.payment_intent_id is not None and event.event_type.startswith("refund."):
        refund = await deps.payments.retrieve_refund(event.object_id)
        await follow_refund(event.payment_intent_id, refund, deps=deps, news=news)
    else:
        async with deps.db.transaction() as tx:
            await sync.mark_processed(tx.session, *news)

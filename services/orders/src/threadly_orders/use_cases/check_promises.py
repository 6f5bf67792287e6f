"""Look for what must never be, and say so loudly when it is."""

from collections.abc import Iterable
from datetime import datetime

from threadly_chassis.observability.errors import capture
from threadly_chassis.observability.logging import get_logger
from threadly_chassis.observability.metrics import DOMAIN_EVENTS

from ..dependencies import OrdersDeps
from ..domain.errors import PromiseBroken
from ..storage import checkouts, payments, sync

_log = get_logger(__name__)
_SHOWN = 10


async def check_promises(deps: OrdersDeps) -> None:
    """Report broken promises to logs, metrics and Sentry.

    `money_without_counterpart`: captured, but neither an order nor a refund.
    `held_past_its_time`: a checkout that should have ended.
    `event_without_effect`: kept from Stripe, but not processed.
    """
    found = await broken_promises(deps, before=deps.clock.now() - deps.settings.promise_grace)
    for promise, cases in found.items():
        DOMAIN_EVENTS.labels(f"promise_broken:{promise}").inc(len(cases))
        shown = ", ".join(cases[:_SHOWN])
        capture(
            PromiseBroken(f"{promise}: {len(cases)}, among them {shown}"), kind="promise", promise=promise
        )
    _log.info("promises checked", broken={promise: len(cases) for promise, cases in found.items()})


async def broken_promises(deps: OrdersDeps, *, before: datetime) -> dict[str, list[str]]:
    """What should have been done before a moment and was not, by promise."""
    async with deps.db.read() as session:
        money = await payments.without_counterpart(session, before)
        held = await checkouts.overdue(session, before, limit=100)
        silent = await sync.not_processed(session, before)
    found: dict[str, Iterable[object]] = {
        "money_without_counterpart": [payment.payment_intent_id for payment in money],
        "held_past_its_time": held,
        "event_without_effect": silent,
    }
    return {promise: [str(case) for case in cases] for promise, cases in found.items() if cases}

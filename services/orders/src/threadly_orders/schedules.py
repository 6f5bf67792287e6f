"""What orders does by the clock."""

from threadly_chassis.schedules import Every, Schedules

from .settings import OrdersSettings
from .use_cases.check_promises import check_promises
from .use_cases.expire_checkouts import expire_checkouts
from .use_cases.poll_stripe import poll_stripe
from .use_cases.reconcile_payments import reconcile_payments
from .use_cases.sweep_checkouts import sweep_checkouts


def schedules(settings: OrdersSettings) -> Schedules:
    """The table; every period is a setting."""
    return Schedules(
        Every(settings.expiry_period, "expire_checkouts", expire_checkouts),
        Every(settings.sweep_period, "sweep_checkouts", sweep_checkouts),
        Every(settings.stripe_poll_period, "poll_stripe", poll_stripe),
        Every(settings.promise_period, "check_promises", check_promises),
        Every(settings.reconcile_period, "reconcile_payments", reconcile_payments),
    )

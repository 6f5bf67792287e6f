"""What auth listens to."""

from threadly_chassis.messaging import Consumer, Gate, Subscriptions

from .domain.messages import ClerkUserChanged, ClerkUserDeleted
from .use_cases.follow_clerk import apply_change, apply_deletion

SUBSCRIPTIONS = Subscriptions(
    "auth",
    # No gate: Clerk's own times order the changes, under the user's lock, and sign-in obeys the same rule.
    Consumer(
        "auth.clerk-users",
        gate=Gate.NONE,
        handlers={ClerkUserChanged: apply_change, ClerkUserDeleted: apply_deletion},
    ),
)

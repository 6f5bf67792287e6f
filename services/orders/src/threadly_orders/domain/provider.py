"""What the payment provider tells and we keep: the states of a refund, and its events."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class RefundStatus(StrEnum):
    """Stripe's states of a refund."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One of Stripe's events: what happened to which object. The body is kept, never believed."""

    id: str
    type: str
    created: datetime
    object_id: str
    payment_intent_id: str | None
    body: bytes = field(repr=False)

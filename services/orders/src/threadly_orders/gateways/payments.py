"""What orders needs of a payment provider, and how it can fail."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from threadly_chassis.errors import Permanent, ThreadlyError, Unavailable
from threadly_contracts import Money

from ..domain.provider import ProviderEvent, RefundStatus


class PaymentsUnavailable(Unavailable):
    """The provider did not answer, or asked us to come back: nothing was done (E034)."""

    code = "payments_unavailable"
    title = "Payments are not available at the moment"


class PaymentOutcomeUnknown(PaymentsUnavailable):
    """The answer was lost on its way: it may have been done. Repeat with the same key, or look."""


class PaymentDeclined(ThreadlyError):
    """The bank said no."""

    code = "payment_declined"


class PaymentRefused(Permanent):
    """The provider understood and refuses: asking again cannot help. `reason` is its own code."""

    code = "payment_refused"

    def __init__(self, detail: str, *, reason: str) -> None:
        super().__init__(detail, reason=reason)
        self.reason = reason


class WebhookInvalid(ThreadlyError):
    """A webhook that the provider did not send, or not just now (R-SYNC-01)."""

    code = "invalid_webhook_signature"
    title = "Invalid webhook signature"


class IntentStatus(StrEnum):
    """Stripe's states of a PaymentIntent."""

    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    REQUIRES_CAPTURE = "requires_capture"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the last try to pay failed; `attempt` tells one try from the next."""

    code: str
    attempt: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent as Stripe holds it now. Amounts are in Stripe's units."""

    id: str
    status: IntentStatus
    amount: int
    amount_received: int
    currency: str
    checkout_id: UUID | None
    """From our metadata; None for an intent that is not one of ours."""
    client_secret: str | None = field(default=None, repr=False)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class IntentRequest:
    """Wanted: a PaymentIntent for one checkout; the checkout's id is also the idempotency key."""

    checkout_id: UUID
    product_id: UUID
    buyer_id: UUID
    price: Money


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund as Stripe holds it now."""

    id: str
    status: RefundStatus
    amount: int


class PaymentGateway(Protocol):
    """The provider. Every call raises `PaymentsUnavailable`, `PaymentOutcomeUnknown` or `PaymentRefused`."""

    async def create_intent(self, wanted: IntentRequest) -> Intent:
        """Make the checkout's PaymentIntent, or return the one that was made for it before.

        Raises `AmountNotChargeable`.
        """
        ...

    async def retrieve_intent(self, intent_id: str) -> Intent:
        """Look at an intent."""
        ...

    async def cancel_intent(self, intent_id: str) -> Intent:
        """Cancel an intent; return it canceled, or in the state that prevented it (E032)."""
        ...

    async def refund_intent(self, intent_id: str, *, key: str) -> Refund:
        """Give back everything that an intent captured, once per `key`."""
        ...

    async def retrieve_refund(self, refund_id: str) -> Refund:
        """Look at a refund."""
        ...

    def events_since(self, moment: datetime | None) -> AsyncGenerator[ProviderEvent]:
        """Every event that concerns us from `moment` on (None: all that is kept), newest first."""
        ...

    def intents_since(self, moment: datetime) -> AsyncGenerator[Intent]:
        """Every intent created from `moment` on, newest first."""
        ...

    def read_webhook(self, body: bytes, signature: str | None) -> ProviderEvent:
        """Verify a webhook's raw bytes and read them; raises `WebhookInvalid`."""
        ...

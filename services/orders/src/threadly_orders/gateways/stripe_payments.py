"""Stripe: the only file that imports its SDK. No SDK object leaves it."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import httpx
import stripe
from stripe import StripeClient
from stripe.params import EventListParams, PaymentIntentListParams

from threadly_chassis.context import current_action
from threadly_chassis.observability.metrics import PROVIDER_SECONDS
from threadly_chassis.observability.tracing import span

from ..domain.charges import charge_amount
from ..domain.provider import ProviderEvent, RefundStatus
from .payments import (
    Failure,
    Intent,
    IntentRequest,
    IntentStatus,
    PaymentDeclined,
    PaymentOutcomeUnknown,
    PaymentRefused,
    PaymentsUnavailable,
    Refund,
    WebhookInvalid,
)

#: What the SDK's types describe; pinned, so that an upgrade of either is a deliberate act.
API_VERSION: Final = "2026-10-28.endive"
#: Seconds. Stripe's own tolerance looks only into the past: a time stamp of tomorrow would pass (E028).
TOLERANCE: Final = 300
#: The events that can change what we hold.
EVENT_TYPES: Final = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "refund.created",
    "refund.updated",
    "refund.failed",
)
_PAGE = 100
_RETRIES = 2  # client objects do not retry unless told to
_TIMEOUT = httpx.Timeout(5.0, connect=2.0)  # the SDK's default is 80 s: too long for somebody who waits

Answer = TypeVar("Answer")


class StripePayments:
    """`PaymentGateway` over Stripe's v1 API."""

    def __init__(self, *, api_url: str, secret_key: str, webhook_secret: str, deadline: timedelta) -> None:
        self._http = stripe.HTTPXClient(timeout=_TIMEOUT)
        self._client = StripeClient(
            secret_key,
            stripe_version=API_VERSION,
            base_addresses={"api": api_url},
            max_network_retries=_RETRIES,
            http_client=self._http,
        )
        self._webhook_secret = webhook_secret
        self._deadline = deadline.total_seconds()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def create_intent(self, wanted: IntentRequest) -> Intent:
        """Nothing that sends the buyer to another site: the hold on the item is minutes, not a journey."""
        metadata = {
            "checkout_id": str(wanted.checkout_id),
            "product_id": str(wanted.product_id),
            "buyer_id": str(wanted.buyer_id),
        }
        made = await self._call(
            "payment_intents.create",
            self._client.v1.payment_intents.create_async(
                {
                    "amount": charge_amount(wanted.price),
                    "currency": wanted.price.currency.lower(),
                    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                    "metadata": metadata,
                },
                {"idempotency_key": str(wanted.checkout_id)},
            ),
        )
        return _intent(made)

    async def retrieve_intent(self, intent_id: str) -> Intent:
        found = await self._call(
            "payment_intents.retrieve", self._client.v1.payment_intents.retrieve_async(intent_id)
        )
        return _intent(found)

    async def cancel_intent(self, intent_id: str) -> Intent:
        try:
            cancelled = await self._call(
                "payment_intents.cancel", self._client.v1.payment_intents.cancel_async(intent_id)
            )
        except PaymentRefused as error:
            if error.reason != "payment_intent_unexpected_state":
                raise
            return await self.retrieve_intent(intent_id)
        return _intent(cancelled)

    async def refund_intent(self, intent_id: str, *, key: str) -> Refund:
        try:
            made = await self._call(
                "refunds.create",
                self._client.v1.refunds.create_async({"payment_intent": intent_id}, {"idempotency_key": key}),
            )
        except PaymentRefused as error:
            # Stripe forgets an idempotency key after a day; a retry later than that finds the work done.
            if error.reason != "charge_already_refunded":
                raise
            return await self._existing_refund(intent_id)
        return _refund(made)

    async def retrieve_refund(self, refund_id: str) -> Refund:
        return _refund(
            await self._call("refunds.retrieve", self._client.v1.refunds.retrieve_async(refund_id))
        )

    async def events_since(self, moment: datetime | None) -> AsyncGenerator[ProviderEvent]:
        wanted: EventListParams = {"types": [*EVENT_TYPES], "limit": _PAGE}
        if moment is not None:
            wanted["created"] = {"gte": int(moment.timestamp())}
        while True:
            page = await self._call(
                "events.list",
                self._client.v1.events.list_async(wanted),
            )
            for event in page.data:
                yield _event(event.to_dict())
            if not page.has_more:
                return
            wanted["starting_after"] = page.data[-1].id

    async def intents_since(self, moment: datetime) -> AsyncGenerator[Intent]:
        wanted: PaymentIntentListParams = {"created": {"gte": int(moment.timestamp())}, "limit": _PAGE}
        while True:
            page = await self._call(
                "payment_intents.list",
                self._client.v1.payment_intents.list_async(wanted),
            )
            for intent in page.data:
                yield _intent(intent)
            if not page.has_more:
                return
            wanted["starting_after"] = page.data[-1].id

    def read_webhook(self, body: bytes, signature: str | None) -> ProviderEvent:
        # The SDK raises UnicodeDecodeError and ValueError besides its own error; garbage must not become a
        # 500, for which Stripe would send it again for three days.
        try:
            stripe.WebhookSignature.verify_header(body, signature, self._webhook_secret, TOLERANCE)
            is_of_the_future = _stamp(signature or "") > time.time() + TOLERANCE
            event = _event(json.loads(body), body)
        except Exception as error:
            raise WebhookInvalid from error
        if is_of_the_future:
            raise WebhookInvalid("The time stamp lies in the future.")
        return event

    async def _existing_refund(self, intent_id: str) -> Refund:
        page = await self._call(
            "refunds.list", self._client.v1.refunds.list_async({"payment_intent": intent_id, "limit": 1})
        )
        return _refund(page.data[0])

    async def _call(self, name: str, calling: Awaitable[Answer]) -> Answer:
        current_action().external_calls += 1
        with _measured(name):
            try:
                async with asyncio.timeout(self._deadline):
                    return await calling
            except TimeoutError as error:
                raise PaymentOutcomeUnknown("Stripe did not answer in time.", retry_after=5) from error
            except stripe.StripeError as error:
                raise _translated(error) from error


@contextmanager
def _measured(name: str) -> Iterator[None]:
    started, outcome = time.perf_counter(), "ok"
    with span(f"stripe {name}"):
        try:
            yield
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            PROVIDER_SECONDS.labels("stripe", name, outcome).observe(time.perf_counter() - started)


def _translated(error: stripe.StripeError) -> Exception:
    details = error.error
    code = (details.code if details else None) or error.code or ""
    text = error.user_message or ""
    if isinstance(error, stripe.CardError):
        return PaymentDeclined(text, reason=code)
    if isinstance(error, stripe.APIConnectionError):
        return PaymentOutcomeUnknown("Stripe could not be reached.", retry_after=5)
    if isinstance(error, (stripe.RateLimitError, stripe.APIError)):
        return PaymentsUnavailable("Stripe is busy or has a fault.", retry_after=5)
    if isinstance(error, (stripe.AuthenticationError, stripe.PermissionError)):
        # A wrong key is ours to mend; messages wait for it on the ladder instead of dying.
        return PaymentsUnavailable("Stripe does not accept our key.", retry_after=60)
    return PaymentRefused(text, reason=code)


def _intent(found: stripe.PaymentIntent) -> Intent:
    return Intent(
        id=found.id,
        status=IntentStatus(found.status),
        amount=found.amount,
        amount_received=found.amount_received,
        currency=found.currency.upper(),
        checkout_id=_checkout_id(found),
        client_secret=found.client_secret,
        failure=_failure(found),
    )


def _checkout_id(found: stripe.PaymentIntent) -> UUID | None:
    text = (found.metadata.to_dict() if found.metadata else {}).get("checkout_id", "")
    try:
        return UUID(text)
    except ValueError:
        return None


def _failure(found: stripe.PaymentIntent) -> Failure | None:
    error = found.last_payment_error
    if error is None:
        return None
    told = error.to_dict()  # attributes that Stripe left out raise AttributeError
    code = told.get("decline_code") or told.get("code") or "card_declined"
    method = (told.get("payment_method") or {}).get("id")
    return Failure(code=code, attempt=f"{told.get('charge') or found.latest_charge} {method} {code}")


def _stamp(signature: str) -> int:
    return max(int(part[2:]) for part in signature.split(",") if part.startswith("t="))


def _refund(made: stripe.Refund) -> Refund:
    return Refund(id=made.id, status=RefundStatus(made.status or "pending"), amount=made.amount)


def _event(event: Any, body: bytes | None = None) -> ProviderEvent:
    if event["object"] != "event":
        raise WebhookInvalid("This is not a snapshot event.")
    thing = event["data"]["object"]
    intent = thing["id"] if thing["object"] == "payment_intent" else thing.get("payment_intent")
    return ProviderEvent(
        id=str(event["id"]),
        type=str(event["type"]),
        created=datetime.fromtimestamp(int(event["created"]), UTC),
        object_id=str(thing["id"]),
        payment_intent_id=intent if isinstance(intent, str) else None,
        body=body if body is not None else json.dumps(event, default=str).encode(),
    )

"""What orders is told: Stripe's address and keys, and how long an item is held."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, SecretStr

from threadly_chassis.settings import ServiceSettings


def _seconds(value: object) -> object:
    return float(value) if isinstance(value, str) and value.replace(".", "", 1).isdecimal() else value


#: Seconds, or ISO 8601 (`PT15M`).
Duration = Annotated[timedelta, BeforeValidator(_seconds), Field(gt=timedelta())]


class OrdersSettings(ServiceSettings):
    """`THREADLY_ORDERS_<FIELD>` or `THREADLY_<FIELD>`; durations are seconds or ISO 8601."""

    service: ClassVar[str] = "orders"
    provider_urls: ClassVar[tuple[str, ...]] = ("stripe_api_url",)
    provider_keys: ClassVar[tuple[str, ...]] = (
        "stripe_secret_key",
        "stripe_publishable_key",
        "stripe_webhook_secret",
    )

    http_port: int = 7105
    worker_port: int = 7205

    stripe_api_url: str = "http://127.0.0.1:7302"
    stripe_secret_key: SecretStr = SecretStr("sk_test_sandbox")
    stripe_publishable_key: str = "pk_test_sandbox"
    stripe_webhook_secret: SecretStr = SecretStr("whsec_sandbox")
    stripe_deadline: Duration = timedelta(seconds=15)
    """The most that one call of Stripe may take, the SDK's two retries included."""

    checkout_lifetime: Duration = timedelta(minutes=15)
    """How long a checkout holds its item."""

    intent_patience: Duration = timedelta(minutes=1)
    """A checkout without a PaymentIntent after this long was left behind by a crash (E035)."""

    promise_grace: Duration = timedelta(minutes=5)
    """How long a promise may be unkept before it counts as broken."""

    expiry_period: Duration = timedelta(seconds=5)
    sweep_period: Duration = timedelta(seconds=30)
    stripe_poll_period: Duration = timedelta(seconds=30)
    stripe_poll_overlap: Duration = timedelta(minutes=5)
    """Stripe lists an event some time after its `created`; the poll looks this far behind its watermark."""

    promise_period: Duration = timedelta(minutes=1)
    reconcile_period: Duration = timedelta(minutes=10)
    reconcile_window: Annotated[Duration, Field(le=timedelta(days=30))] = timedelta(days=1)

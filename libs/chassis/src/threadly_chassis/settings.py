"""Settings come from the environment, once, at the composition root; everything below is handed values."""

import base64
from enum import StrEnum
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Mode(StrEnum):
    """Whether the outside providers are the sandbox's or the real ones."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


def _split(value: object) -> object:
    return tuple(part for part in value.split(",") if part) if isinstance(value, str) else value


#: A comma-separated list.
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


def decode_key(text: str) -> bytes:
    """Decode a base64url key whose padding may be missing."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class ServiceSettings(BaseSettings):
    """What every service is told.

    For a field `f` of service `orders` the first of `THREADLY_ORDERS_F` and `THREADLY_F` wins, so that
    whatever services share is written once. Raises a `ValidationError` that names every bad value.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    service: ClassVar[str]
    #: Fields with a provider's address: refused in production when they point at this machine.
    provider_urls: ClassVar[tuple[str, ...]] = ()
    #: Fields with a provider's secret: refused in production when they are test keys.
    provider_keys: ClassVar[tuple[str, ...]] = ()

    mode: Mode = Mode.SANDBOX
    release: str = "dev"
    database_url: SecretStr
    amqp_url: SecretStr
    redis_url: SecretStr
    database_pool_size: Annotated[int, Field(ge=1, le=100)] = 8
    http_host: str = "127.0.0.1"
    http_port: int = 8000
    worker_port: int = 8001
    identity_public_keys: CommaList = ()
    public_url: str = "http://127.0.0.1:3002"
    cursor_secret: SecretStr = SecretStr("sandbox")
    sentry_dsn: str = ""
    otlp_endpoint: str = ""
    log_level: str = "INFO"
    #: Relay tasks of a worker. On two cores shared with the servers two made 0.70 of the bare publisher's
    #: rate, three and four 0.80 (middle of seven rounds); a quiet worker's processor time stays the same.
    relays: Annotated[int, Field(ge=1, le=16)] = 3
    retry_ladder: CommaList = ("5s", "30s", "2m", "10m", "1h")
    gap_resend_after: Annotated[float, Field(gt=0)] = 2.0
    gap_alert_after: Annotated[float, Field(gt=0)] = 60.0
    gap_give_up_after: Annotated[float, Field(gt=0)] = 600.0
    parked_max: Annotated[int, Field(ge=1)] = 10_000
    #: Days that an event stays in the outbox's log after its append; what rebuilds are made from.
    history_days: Annotated[int, Field(ge=1)] = 90
    #: Days within which the inbox refuses a duplicate: above the ladder, and what lies in dead letters.
    inbox_days: Annotated[int, Field(ge=7)] = 180
    #: Days that the answer to a request with an `Idempotency-Key` is repeated.
    idempotency_days: Annotated[int, Field(ge=1)] = 7
    #: Events in a partition of the log: retention in at most a hundred of them keeps plans short.
    outbox_partition_events: Annotated[int, Field(ge=1000)] = 5_000_000

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class' signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class' signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class' signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the service's own variable first, then the shared one."""
        own = f"THREADLY_{cls.service.replace('-', '_').upper()}_"
        return (
            init_settings,
            EnvSettingsSource(settings_cls, env_prefix=own),
            EnvSettingsSource(settings_cls, env_prefix="THREADLY_"),
        )

    @model_validator(mode="after")
    def _production_is_real(self) -> Self:
        """Refuse sandbox hosts and test keys in production (architecture §2)."""
        if self.mode is not Mode.PRODUCTION:
            return self
        wrong = [f for f in self.provider_urls if urlsplit(str(getattr(self, f))).hostname in _LOOPBACK]
        for field in (*self.provider_keys, "cursor_secret"):
            secret = getattr(self, field)
            text = secret.get_secret_value() if isinstance(secret, SecretStr) else str(secret)
            if "_test_" in text or "sandbox" in text or not text:
                wrong.append(field)
        if wrong:
            msg = f"production mode refuses sandbox hosts and test keys: {', '.join(wrong)}"
            raise ValueError(msg)
        return self

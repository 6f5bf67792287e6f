"""What the sandbox listens on, which keys open it, and where it delivers webhooks."""

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=0, le=65535)]


def _own_or_shared(name: str) -> AliasChoices:
    """Read `THREADLY_SANDBOX_X`, else the `THREADLY_X` that the services themselves are started with."""
    return AliasChoices(f"threadly_sandbox_{name}", f"threadly_{name}")


class SandboxSettings(BaseSettings):
    """`THREADLY_SANDBOX_<FIELD>`; the provider keys fall back to the services' own `THREADLY_<FIELD>`.

    The defaults are the sandbox keys of docs/seams.md: they open nothing but this process.
    """

    model_config = SettingsConfigDict(
        env_prefix="THREADLY_SANDBOX_", frozen=True, extra="ignore", populate_by_name=True
    )

    host: str = "127.0.0.1"
    page_port: Port = 7300
    clerk_port: Port = 7301
    stripe_port: Port = 7302
    algolia_port: Port = 7303
    pusher_port: Port = 7304
    sentry_port: Port = 7305
    smtp_port: Port = 7306

    public_url: str = Field("http://127.0.0.1:3002", validation_alias=_own_or_shared("public_url"))
    """The gateway: webhooks go to `{public_url}/v1/webhooks/{stripe,clerk}`."""

    data_dir: Path | None = None
    """Where state is kept over a restart; without it everything lives in memory."""

    journal_limit: int = Field(2_000, ge=1)
    """How many entries the page remembers; the oldest leave first."""

    stripe_secret_key: SecretStr = Field(
        SecretStr("sk_test_sandbox"), validation_alias=_own_or_shared("stripe_secret_key")
    )
    stripe_publishable_key: str = Field(
        "pk_test_sandbox", validation_alias=_own_or_shared("stripe_publishable_key")
    )
    stripe_webhook_secret: SecretStr = Field(
        SecretStr("whsec_sandbox"), validation_alias=_own_or_shared("stripe_webhook_secret")
    )
    stripe_latency_ms: int = Field(0, ge=0)
    """How long the card network takes over a write; more than 0 makes concurrent requests really overlap."""

    stripe_settle_ms: int = Field(1_000, ge=0)
    """How long after the request disputes arrive, pending refunds settle and failing ones bounce."""

    clerk_secret_key: SecretStr = Field(
        SecretStr("sk_test_sandbox"), validation_alias=_own_or_shared("clerk_secret_key")
    )
    clerk_issuer: str = Field(
        default_factory=lambda data: f"http://{data['host']}:{data['clerk_port']}",
        validation_alias=_own_or_shared("clerk_issuer"),
    )
    """The `iss` of session tokens; by default the Clerk port's own address."""

    clerk_authorized_party: str = Field(default_factory=lambda data: data["public_url"])
    """The `azp` of session tokens: the origin of the web client; by default `public_url`."""

    clerk_sign_in_seconds: int = Field(3_600, ge=1)
    """How long the cookie of the sign-in page lives; tokens made over the API live 60 s as at Clerk."""

    clerk_webhook_secret: SecretStr = Field(
        SecretStr("whsec_c2FuZGJveC1jbGVyay13ZWJob29r"),
        validation_alias=_own_or_shared("clerk_webhook_secret"),
    )

    algolia_app_id: str = Field("SANDBOX", validation_alias=_own_or_shared("algolia_app_id"))
    algolia_api_key: SecretStr = Field(
        SecretStr("sandbox-admin"), validation_alias=_own_or_shared("algolia_api_key")
    )
    pusher_app_id: str = Field("42", validation_alias=_own_or_shared("pusher_app_id"))
    pusher_key: str = Field("sandbox-key", validation_alias=_own_or_shared("pusher_key"))
    pusher_secret: SecretStr = Field(
        SecretStr("sandbox-secret"), validation_alias=_own_or_shared("pusher_secret")
    )
    sentry_key: str = "sandbox"

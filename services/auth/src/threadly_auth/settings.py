"""What auth is told by its environment."""

import base64
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr, field_validator

from threadly_chassis.settings import CommaList, ServiceSettings


class AuthSettings(ServiceSettings):
    """Clerk's addresses and keys, and the key that identity tokens are signed with."""

    service: ClassVar[str] = "auth"
    provider_urls: ClassVar[tuple[str, ...]] = ("clerk_api_url", "clerk_issuer", "clerk_sign_in_url")
    provider_keys: ClassVar[tuple[str, ...]] = ("clerk_secret_key", "clerk_webhook_secret")

    identity_private_key: SecretStr
    """Base64url of the raw 32-byte Ed25519 key; no other service has it."""
    identity_seconds: Annotated[int, Field(ge=60, le=120)] = 90
    """How long an identity token lives: the longest that a suspension can take to reach every service."""

    clerk_api_url: str = "http://127.0.0.1:7301"
    """Without the `/v1`."""
    clerk_secret_key: SecretStr = SecretStr("sk_test_sandbox")
    clerk_issuer: str = "http://127.0.0.1:7301"
    clerk_authorized_parties: CommaList = ("http://127.0.0.1:3002",)
    clerk_sign_in_url: str = "http://127.0.0.1:7301/sign-in"
    clerk_webhook_secret: SecretStr = SecretStr("whsec_c2FuZGJveC1jbGVyay13ZWJob29r")
    clerk_timeout_seconds: Annotated[float, Field(gt=0, le=10)] = 2.0
    """The longest that a sign-in waits for Clerk."""

    @field_validator("clerk_webhook_secret")
    @classmethod
    def _can_sign(cls, secret: SecretStr) -> SecretStr:
        """Refuse at start what would fail on the first webhook."""
        base64.b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)
        return secret

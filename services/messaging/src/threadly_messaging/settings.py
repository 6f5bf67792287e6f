"""What messaging is told by its environment."""

from typing import Annotated, ClassVar

from pydantic import Field, SecretStr, StringConstraints

from threadly_chassis.settings import ServiceSettings


class MessagingSettings(ServiceSettings):
    """Where the real-time provider is, and the keys to it."""

    service: ClassVar[str] = "messaging"
    provider_keys: ClassVar[tuple[str, ...]] = ("pusher_key", "pusher_secret")

    pusher_host: str = "127.0.0.1"
    pusher_port: Annotated[int, Field(ge=1, le=65535)] = 7304
    pusher_tls: bool = False
    pusher_app_id: Annotated[str, StringConstraints(pattern=r"^\d+$")] = "42"
    pusher_key: str = "sandbox-key"
    pusher_secret: SecretStr = SecretStr("sandbox-secret")
    pusher_timeout_seconds: Annotated[float, Field(gt=0, le=10)] = 2.0
    """The longest that a typing notice waits for Pusher."""

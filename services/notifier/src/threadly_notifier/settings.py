"""What notifier is told from outside."""

from typing import ClassVar

from pydantic import SecretStr

from threadly_chassis.settings import ServiceSettings


class NotifierSettings(ServiceSettings):
    """Notifier's settings; see `.env.example`."""

    service: ClassVar[str] = "notifier"
    provider_keys: ClassVar[tuple[str, ...]] = ("pusher_secret",)

    pusher_host: str = "127.0.0.1"
    pusher_port: int = 7304
    pusher_tls: bool = False
    pusher_app_id: str = "42"
    pusher_key: str = "sandbox-key"
    pusher_secret: SecretStr = SecretStr("sandbox-secret")
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 7306
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_tls: bool = False
    mail_from: str = "Threadly <hello@threadly.example>"
    provider_timeout: float = 5.0
    """Deadline of one call to a provider, seconds."""

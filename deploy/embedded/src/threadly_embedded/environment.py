"""The settings that programs are started with (docs/seams.md §3)."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .files import secret, write_whole
from .layout import SERVICES, Layout, package_of, root_folder
from .ports import LOOPBACK

#: Whose business a provider is; its settings are shown to nobody else.
_READERS = {
    "CLERK": {"auth"},
    "STRIPE": {"orders"},
    "ALGOLIA": {"search-indexer"},
    "PUSHER": {"messaging", "notifier"},
    "SMTP": {"notifier"},
    "MAIL": {"notifier"},
    "AMQP_MANAGEMENT": {"operations"},
}


def system_settings(layout: Layout, own: Mapping[str, str], *, amqp_url: str, **urls: str) -> dict[str, str]:
    """Return every setting of the system: sandbox defaults, then what the person set (``own``) over them."""
    private, public = _identity_keys(layout.secrets / "identity-key")
    settings = {
        "THREADLY_MODE": "sandbox",
        "THREADLY_PUBLIC_URL": layout.public_url,
        "THREADLY_HTTP_HOST": LOOPBACK,
        "THREADLY_MEDIA_FOLDER": str(layout.data / "media"),
        "THREADLY_AMQP_URL": amqp_url,
        "THREADLY_AMQP_MANAGEMENT_URL": urls["amqp_management_url"],
        "THREADLY_REDIS_URL": urls["redis_url"],
        "THREADLY_CURSOR_SECRET": secret(layout.secrets / "cursors"),
        "THREADLY_AUTH_IDENTITY_PRIVATE_KEY": private,
        "THREADLY_IDENTITY_PUBLIC_KEYS": public,
        **_sandbox(layout),
    }
    for service in SERVICES:
        name = package_of(service).upper()
        settings[f"{name}_DATABASE_URL"] = database_url(layout, service)
        settings[f"{name}_HTTP_PORT"] = str(layout.ports[f"{service}_http"])
        settings[f"{name}_WORKER_PORT"] = str(layout.ports[f"{service}_worker"])
    return settings | {name: value for name, value in own.items() if name.startswith("THREADLY_")}


def settings_for(service: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that ``service`` may see: what is common, its own, and its providers'."""
    others = tuple(f"{package_of(other).upper()}_" for other in SERVICES if other != service)

    def may_see(name: str) -> bool:
        provider = next((p for p in _READERS if name.startswith(f"THREADLY_{p}_")), None)
        return not name.startswith(others) and (provider is None or service in _READERS[provider])

    return {name: value for name, value in settings.items() if may_see(name)}


def python_settings(layout: Layout) -> dict[str, str]:
    """Return what every Python process is started with, whatever this terminal says.

    Compiled modules are kept (importing a service without them takes three times as long), and outside the
    clone's own folders.
    """
    return {
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(layout.folder / "pycache"),
        "PYTHONUNBUFFERED": "1",
    }


def database_password(layout: Layout, service: str) -> str:
    return secret(layout.secrets / f"database-{service}")


def database_url(layout: Layout, service: str) -> str:
    """Return the address of a service's own database, entered with its own role."""
    name = package_of(service)
    password = database_password(layout, service)
    return f"postgresql://{name}:{password}@{LOOPBACK}:{layout.ports['postgres']}/{name}"


def own_settings() -> dict[str, str]:
    """Return what the person set: this process' environment and, beneath it, the clone's ``.env``."""
    return read_dotenv(root_folder() / ".env") | os.environ


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the ``NAME=value`` lines of ``path``; none when there is no such file."""
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (
        line.removeprefix("export ").partition("=") for line in lines if line and not line.startswith("#")
    )
    return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs}


def _sandbox(layout: Layout) -> dict[str, str]:
    def at(provider: str) -> str:
        return f"http://{LOOPBACK}:{layout.ports[f'sandbox_{provider}']}"

    # No secret among them: they open the sandbox and nothing else.
    return {
        "THREADLY_CLERK_API_URL": at("clerk"),
        "THREADLY_CLERK_SECRET_KEY": "sk_test_sandbox",
        "THREADLY_CLERK_ISSUER": at("clerk"),
        "THREADLY_CLERK_AUTHORIZED_PARTIES": layout.public_url,
        "THREADLY_CLERK_SIGN_IN_URL": f"{at('clerk')}/sign-in",
        "THREADLY_CLERK_WEBHOOK_SECRET": "whsec_c2FuZGJveC1jbGVyay13ZWJob29r",
        "THREADLY_STRIPE_API_URL": at("stripe"),
        "THREADLY_STRIPE_SECRET_KEY": "sk_test_sandbox",
        "THREADLY_STRIPE_PUBLISHABLE_KEY": "pk_test_sandbox",
        "THREADLY_STRIPE_WEBHOOK_SECRET": "whsec_sandbox",
        "THREADLY_ALGOLIA_HOSTS": at("algolia"),
        "THREADLY_ALGOLIA_APP_ID": "SANDBOX",
        "THREADLY_ALGOLIA_API_KEY": "sandbox-admin",
        "THREADLY_ALGOLIA_INDEX": "products",
        "THREADLY_PUSHER_HOST": LOOPBACK,
        "THREADLY_PUSHER_PORT": str(layout.ports["sandbox_pusher"]),
        "THREADLY_PUSHER_TLS": "false",
        "THREADLY_PUSHER_APP_ID": "42",
        "THREADLY_PUSHER_KEY": "sandbox-key",
        "THREADLY_PUSHER_SECRET": "sandbox-secret",
        "THREADLY_SMTP_HOST": LOOPBACK,
        "THREADLY_SMTP_PORT": str(layout.ports["sandbox_smtp"]),
        "THREADLY_SMTP_TLS": "false",
        "THREADLY_MAIL_FROM": "Threadly <hello@threadly.example>",
        "THREADLY_SENTRY_DSN": f"http://sandbox@{LOOPBACK}:{layout.ports['sandbox_sentry']}/1",
        **{
            f"THREADLY_SANDBOX_{name.removeprefix('sandbox_').upper()}_PORT": str(port)
            for name, port in layout.ports.items()
            if name.startswith("sandbox_")
        },
        "THREADLY_SANDBOX_DATA_DIR": str(layout.data / "sandbox"),
    }


def _identity_keys(path: Path) -> tuple[str, str]:
    """Return auth's signing key and its public half, raw and base64url; made once."""
    if not path.exists():
        write_whole(path, _encoded(Ed25519PrivateKey.generate().private_bytes_raw()), mode=0o600)
    private = path.read_text(encoding="utf-8")
    key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(private + "=" * (-len(private) % 4)))
    return private, _encoded(key.public_key().public_bytes_raw())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

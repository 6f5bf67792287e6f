import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from threadly_embedded.environment import read_dotenv, settings_for, system_settings
from threadly_embedded.layout import SERVICES, Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.from_environment({"THREADLY_RUN_FOLDER": str(tmp_path)})


@pytest.fixture
def settings(layout: Layout) -> dict[str, str]:
    return _settings(layout, {})


def _settings(layout: Layout, own: dict[str, str]) -> dict[str, str]:
    return system_settings(
        layout, own, amqp_url="amqp://", amqp_management_url="http://", redis_url="redis://"
    )


def test_each_service_has_its_own_database_and_password(settings: dict[str, str]) -> None:
    urls = {settings[f"THREADLY_{s.replace('-', '_').upper()}_DATABASE_URL"] for s in SERVICES}
    assert len({url.split("@")[0].split(":")[-1] for url in urls}) == len(SERVICES)


def test_a_service_sees_no_other_services_secrets(settings: dict[str, str]) -> None:
    seen = settings_for("catalog", settings)
    assert "THREADLY_CATALOG_DATABASE_URL" in seen
    assert "THREADLY_AMQP_URL" in seen
    hidden = ("ORDERS_DATABASE_URL", "AUTH_IDENTITY_PRIVATE_KEY", "STRIPE_SECRET_KEY", "CLERK_SECRET_KEY")
    assert not [name for name in seen if name.endswith(hidden)]
    assert settings_for("orders", settings)["THREADLY_STRIPE_SECRET_KEY"] == "sk_test_sandbox"
    assert "THREADLY_AUTH_IDENTITY_PRIVATE_KEY" in settings_for("auth", settings)


def test_the_identity_keys_belong_together_and_stay(layout: Layout) -> None:
    first, second = _settings(layout, {}), _settings(layout, {})
    assert first == second
    raw = base64.urlsafe_b64decode(first["THREADLY_AUTH_IDENTITY_PRIVATE_KEY"] + "=")
    public = Ed25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
    assert base64.urlsafe_b64decode(first["THREADLY_IDENTITY_PUBLIC_KEYS"] + "=") == public


def test_secrets_are_the_owners_only(layout: Layout, settings: dict[str, str]) -> None:
    assert settings
    assert {path.stat().st_mode & 0o777 for path in layout.secrets.iterdir()} == {0o600}


def test_what_the_person_set_wins(layout: Layout) -> None:
    own = {"THREADLY_STRIPE_SECRET_KEY": "sk_test_mine", "HOME": "/root"}
    assert _settings(layout, own)["THREADLY_STRIPE_SECRET_KEY"] == "sk_test_mine"
    assert "HOME" not in _settings(layout, own)


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert read_dotenv(path) == {}
    path.write_text("# mine\nexport THREADLY_MODE='sandbox'\n\nTHREADLY_SENTRY_DSN=http://a@b/1?x=y\n")
    assert read_dotenv(path) == {"THREADLY_MODE": "sandbox", "THREADLY_SENTRY_DSN": "http://a@b/1?x=y"}

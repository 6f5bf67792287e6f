"""Small values that everything stands on: money, cursors, ids, settings."""

import base64
import time
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from threadly_chassis.clock import FrozenClock, SystemClock
from threadly_chassis.errors import Conflict
from threadly_chassis.http import Cursors
from threadly_chassis.http.cursors import CursorMalformed
from threadly_chassis.ids import new_id
from threadly_chassis.money import PriceMalformed, exponent, format_money, parse_price
from threadly_chassis.observability.logging import mask_secrets
from threadly_chassis.settings import ServiceSettings


class ShopSettings(ServiceSettings):
    service: ClassVar[str] = "corner-shop"
    provider_urls: ClassVar[tuple[str, ...]] = ("bank_url",)
    provider_keys: ClassVar[tuple[str, ...]] = ("bank_key",)
    bank_url: str = "http://127.0.0.1:9"
    bank_key: SecretStr = SecretStr("sk_test_1")


ADDRESSES = {
    "THREADLY_AMQP_URL": "amqp://shared",
    "THREADLY_REDIS_URL": "redis://shared",
    "THREADLY_DATABASE_URL": "postgresql://shared",
}


@pytest.mark.parametrize(
    "price", ["10,00", "1e3", "٣٠", "NaN", "-0", "10.005", " 10 ", "", "+1", "1.", ".5", "1\n"]
)
def test_only_plain_decimals_are_prices(price: str) -> None:
    """E049."""
    with pytest.raises(PriceMalformed):
        parse_price(price, "EUR")


@pytest.mark.parametrize(
    ("price", "currency", "minor"),
    [
        ("10", "EUR", 1000),
        ("10.5", "EUR", 1050),
        (25, "EUR", 2500),
        ("500", "JPY", 500),
        ("1.234", "KWD", 1234),
    ],
)
def test_prices_become_minor_units(price: str | int, currency: str, minor: int) -> None:
    """R-CAT-05, E047."""
    assert parse_price(price, currency) == minor


@given(st.integers(0, 10**11), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_money_survives_being_written_and_read(minor: int, currency: str) -> None:
    text = format_money(minor, currency)
    assert text.endswith(f" {currency}")
    assert parse_price(text.split()[0].replace(",", ""), currency) == minor
    assert exponent(currency) in {0, 2, 3}


@given(st.text(max_size=50), st.integers())
def test_a_cursor_reads_back_what_was_written(text: str, number: int) -> None:
    cursors = Cursors("secret", "list")
    assert cursors.decode(cursors.encode(text, number), parts=2) == [text, str(number)]


@given(st.binary(max_size=80))
def test_a_forged_cursor_is_refused(raw: bytes) -> None:
    with pytest.raises(CursorMalformed):
        Cursors("secret", "list").decode(base64.urlsafe_b64encode(raw).decode(), parts=1)


def test_a_cursor_belongs_to_its_list_and_secret() -> None:
    cursor = Cursors("secret", "orders").encode("a")
    for other in (Cursors("secret", "products"), Cursors("another", "orders")):
        with pytest.raises(CursorMalformed):
            other.decode(cursor, parts=1)
    moment, row = datetime.now(UTC), new_id()
    cursors = Cursors("secret", "orders")
    assert cursors.after_row(cursors.encode(moment, row)) == (moment, row)
    assert cursors.after_row(None) is None


def test_ids_are_uuid7_and_carry_their_time() -> None:
    before = time.time_ns() // 1_000_000
    made = [new_id() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == 1000
    assert all((uuid.version, uuid.variant) == (7, UUID(int=2 << 62).variant) for uuid in made)
    assert all(before <= uuid.int >> 80 <= after for uuid in made)


def test_a_services_own_variable_wins_over_the_shared_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ADDRESSES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("THREADLY_CORNER_SHOP_DATABASE_URL", "postgresql://own")
    monkeypatch.setenv("THREADLY_IDENTITY_PUBLIC_KEYS", "a,b")
    settings = ShopSettings()
    assert settings.database_url.get_secret_value() == "postgresql://own"
    assert settings.redis_url.get_secret_value() == "redis://shared"
    assert settings.identity_public_keys == ("a", "b")


def test_missing_settings_are_named_all_at_once() -> None:
    with pytest.raises(ValidationError) as fault:
        ShopSettings()
    assert {error["loc"][0] for error in fault.value.errors()} == {"database_url", "amqp_url", "redis_url"}


def test_production_refuses_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Architecture §2: a production start with sandbox hosts or test keys fails, and says with which."""
    for name, value in ADDRESSES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("THREADLY_MODE", "production")
    with pytest.raises(ValidationError, match="bank_url, bank_key, cursor_secret"):
        ShopSettings()
    monkeypatch.setenv("THREADLY_BANK_URL", "https://api.bank.example")
    monkeypatch.setenv("THREADLY_BANK_KEY", "sk_live_1")
    monkeypatch.setenv("THREADLY_CURSOR_SECRET", "long and random")
    assert ShopSettings().mode == "production"


def test_clocks_tell_utc_and_can_be_moved() -> None:
    frozen = FrozenClock(datetime(2026, 1, 1, tzinfo=UTC))
    frozen.move(timedelta(days=14))
    assert frozen.now() == datetime(2026, 1, 15, tzinfo=UTC)
    ahead = SystemClock(timedelta(hours=1)).now() - datetime.now(UTC)
    assert timedelta(minutes=59) < ahead <= timedelta(hours=1)


def test_secrets_are_masked_by_field_name() -> None:
    record = mask_secrets(None, "", {"event": "x", "client_secret": "a", "buyer_email": "b", "path": "/c"})
    assert record == {"event": "x", "client_secret": "***", "buyer_email": "***", "path": "/c"}


def test_an_extra_cannot_overwrite_a_member_of_the_problem() -> None:
    with pytest.raises(TypeError, match="status"):
        Conflict("taken", status="OPEN")
    assert Conflict("taken", state="OPEN").extras == {"state": "OPEN"}

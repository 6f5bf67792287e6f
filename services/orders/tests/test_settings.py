from datetime import timedelta

import pytest
from pydantic import ValidationError

from threadly_orders.settings import OrdersSettings

NEEDED = {
    "THREADLY_ORDERS_DATABASE_URL": "postgresql://unused",
    "THREADLY_AMQP_URL": "amqp://unused",
    "THREADLY_REDIS_URL": "redis://unused",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize("written", ["90", "90.0", "PT1M30S", "00:01:30"])
def test_a_duration_is_seconds_or_iso_8601(environment: pytest.MonkeyPatch, written: str) -> None:
    environment.setenv("THREADLY_ORDERS_CHECKOUT_LIFETIME", written)
    assert OrdersSettings().checkout_lifetime == timedelta(seconds=90)


@pytest.mark.parametrize("written", ["0", "-5", "soon"])
def test_a_senseless_duration_is_refused(environment: pytest.MonkeyPatch, written: str) -> None:
    environment.setenv("THREADLY_ORDERS_EXPIRY_PERIOD", written)
    with pytest.raises(ValidationError, match="expiry_period"):
        OrdersSettings()


def test_production_refuses_the_sandboxs_stripe(environment: pytest.MonkeyPatch) -> None:
    """Architecture §2: no test keys and no loopback provider in production."""
    environment.setenv("THREADLY_MODE", "production")
    with pytest.raises(ValidationError, match="stripe_api_url, stripe_secret_key, stripe_publishable_key"):
        OrdersSettings()

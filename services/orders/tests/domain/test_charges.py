import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadly_chassis.money import exponent
from threadly_contracts import Money
from threadly_orders.domain.charges import charge_amount, charged_money
from threadly_orders.domain.errors import AmountNotChargeable


@pytest.mark.parametrize(
    ("currency", "minor", "stripes"),
    [
        ("EUR", 2550, 2550),
        ("JPY", 500, 500),
        ("KWD", 1230, 1230),
        ("ISK", 500, 50_000),
        ("UGX", 4000, 400_000),
        ("HUF", 1_000_000, 1_000_000),
        ("MGA", 50_000, 500),
        ("KRW", 70_000, 70_000),
    ],
)
def test_stripes_own_table(currency: str, minor: int, stripes: int) -> None:
    """E047: Stripe's exponents, not ISO's or CLDR's; and the way back."""
    price = Money(amount_minor=minor, currency=currency)
    assert charge_amount(price) == stripes
    assert charged_money(stripes, currency.lower()) == price


@pytest.mark.parametrize(
    ("currency", "minor"),
    [
        ("KWD", 1234),  # the last of three digits must be 0
        ("MGA", 50_001),  # Stripe takes whole ariary only
        ("EUR", 49),
        ("HUF", 17_499),
        ("EUR", 100_000_000),
        ("ISK", 1_000_000),  # nine digits once Stripe's two are added
    ],
)
def test_what_cannot_be_charged_exactly_is_refused(currency: str, minor: int) -> None:
    """E047: refused, never rounded."""
    with pytest.raises(AmountNotChargeable):
        charge_amount(Money(amount_minor=minor, currency=currency))


@given(
    st.sampled_from(["EUR", "JPY", "KWD", "ISK", "UGX", "MGA", "HUF", "BHD", "XOF"]),
    st.integers(min_value=0, max_value=10**9),
)
def test_what_is_charged_is_what_was_agreed(currency: str, minor: int) -> None:
    """E026: nothing is lost on the way to Stripe and back."""
    price = Money(amount_minor=minor, currency=currency)
    try:
        amount = charge_amount(price)
    except AmountNotChargeable:
        return
    assert charged_money(amount, currency) == price
    assert exponent(currency) in {0, 2, 3}

"""What a price may be."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from threadly_chassis.money import exponent, format_money, parse_price

from .errors import FieldInvalid

#: In whole units of any currency (flows PR-26).
LOWEST, HIGHEST = Decimal("0.01"), Decimal("999999.99")


def _bounds(currency: str) -> tuple[int, int]:
    digits = exponent(currency)
    lowest = LOWEST.scaleb(digits).to_integral_value(ROUND_CEILING)
    highest = HIGHEST.scaleb(digits).to_integral_value(ROUND_FLOOR)
    return int(lowest), int(highest)


def price_in_minor_units(field: str, price: str | float, currency: str) -> int:
    """Read a price of `currency` as minor units (R-CAT-05).

    Raises `PriceMalformed` unless it is a plain decimal with no more digits than the currency has (E049),
    and `FieldInvalid` outside 0.01 to 999,999.99.
    """
    # A JSON number arrives as a float; its shortest decimal form is what the client wrote.
    amount = parse_price(repr(price) if isinstance(price, float) else price, currency)
    lowest, highest = _bounds(currency)
    if not lowest <= amount <= highest:
        message = f"A price is {format_money(lowest, currency)} to {format_money(highest, currency)}."
        raise FieldInvalid.of(field, message)
    return amount

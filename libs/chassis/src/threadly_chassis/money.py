"""Amounts in minor units: how many digits a currency has, reading a price, and writing one."""

import re
from decimal import Decimal

from .errors import Invalid

#: ISO 4217 exponents that are not 2. Stripe's own charging rules are orders' business, not this table's.
_WITHOUT_DIGITS = (
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
    "XOF", "XPF",
)  # fmt: skip
_WITH_THREE = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_EXPONENTS = dict.fromkeys(_WITHOUT_DIGITS, 0) | dict.fromkeys(_WITH_THREE, 3)
#: Digits, and at most one point with digits on both sides: no sign, exponent, space or foreign digit (E049).
_PLAIN = re.compile(r"^[0-9]{1,12}(\.[0-9]{1,4})?\Z", re.ASCII)


class PriceMalformed(Invalid):
    """A price that is not a plain decimal of its currency (E049)."""

    code = "price_malformed"
    title = "This is not a price"


def exponent(currency: str) -> int:
    """The number of digits after the point in an ISO 4217 currency."""
    return _EXPONENTS.get(currency, 2)


def parse_price(price: str | int | Decimal, currency: str) -> int:
    """Read a price as minor units; raises `PriceMalformed` unless it is a plain decimal of the currency."""
    text = str(price)
    if not _PLAIN.match(text):
        raise PriceMalformed("Write it like 25 or 25.50.")
    minor = Decimal(text).scaleb(exponent(currency))
    if minor != minor.to_integral_value():
        msg = f"{currency} has {exponent(currency)} digits after the point."
        raise PriceMalformed(msg)
    return int(minor)


def format_money(amount_minor: int, currency: str) -> str:
    """Write an amount plainly: `25.50 EUR`."""
    digits = exponent(currency)
    amount = Decimal(amount_minor).scaleb(-digits)
    return f"{amount:,.{digits}f} {currency}"

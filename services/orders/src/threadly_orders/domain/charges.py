"""How much Stripe is asked to charge: its own table of currencies, which is not ISO 4217's (E047).

After https://docs.stripe.com/currencies; data on purpose, to be checked against the live page before going
live. Amounts inside Threadly are in ISO minor units; only what goes to or comes from Stripe is in Stripe's.
"""

from threadly_chassis.money import exponent, format_money
from threadly_contracts import Money

from .errors import AmountNotChargeable

_ZERO_DECIMALS = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
)  # fmt: skip
#: Three decimals, the last of which must be 0.
_THREE_DECIMALS = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
#: Without decimals in life, sent with two that must be 00, for backward compatibility.
_WHOLE_UNITS_WITH_TWO_DECIMALS = frozenset(["ISK", "UGX"])
#: The least that can be charged, in Stripe's units; 50 where the page names none.
_MINIMUM = {
    "AED": 200, "BGN": 100, "CZK": 1500, "DKK": 250, "GBP": 30, "HKD": 400, "HUF": 17500, "MXN": 1000,
    "MYR": 200, "NOK": 300, "PLN": 200, "RON": 200, "SEK": 300, "THB": 1000,
}  # fmt: skip
_DEFAULT_MINIMUM = 50
_MAXIMUM = 99_999_999


def _stripe_exponent(currency: str) -> int:
    if currency in _ZERO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def _step(currency: str) -> int:
    if currency in _THREE_DECIMALS:
        return 10
    return 100 if currency in _WHOLE_UNITS_WITH_TWO_DECIMALS else 1


def charge_amount(price: Money) -> int:
    """The integer that Stripe understands as `price`; raises `AmountNotChargeable`.

    An amount that Stripe cannot express exactly is refused, never rounded: the buyer pays what was agreed.
    """
    shift = _stripe_exponent(price.currency) - exponent(price.currency)
    amount, rest = divmod(price.amount_minor * _power(shift), _power(-shift))
    written = format_money(price.amount_minor, price.currency)
    if rest or amount % _step(price.currency):
        raise AmountNotChargeable(f"{written} cannot be charged exactly.")
    if not _MINIMUM.get(price.currency, _DEFAULT_MINIMUM) <= amount <= _MAXIMUM:
        raise AmountNotChargeable(f"{written} is too little or too much for one payment.")
    return amount


def charged_money(amount: int, currency: str) -> Money:
    """What an amount of Stripe's is in ISO minor units; a fraction of a minor unit is cut off."""
    code = currency.upper()
    shift = exponent(code) - _stripe_exponent(code)
    return Money(amount_minor=amount * _power(shift) // _power(-shift), currency=code)


def _power(exponent_of_ten: int) -> int:
    return int(10 ** max(exponent_of_ten, 0))

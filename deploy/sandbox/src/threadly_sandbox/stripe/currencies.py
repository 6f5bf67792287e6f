"""Currencies and their limits, as data: check against Stripe's live pages before going live."""

from .errors import StripeError


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Minimum charge, in minor units: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
_MINIMUM = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250,
    "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200,
    "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
_THREE_DECIMALS = _codes("bhd jod kwd omr tnd")
_WHOLE_UNITS_ONLY = _codes("isk ugx")  # sent with two decimals that must be 00
_ZERO_DECIMALS = _codes("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
_OTHERS = _codes(
    "afn all amd ang aoa ars awg azn bam bbd bdt bmd bnd bob bsd bwp byn bzd cdf cny cop crc cve dop dzd egp "
    "etb fjd fkp gel gip gmd gtq gyd hnl htg idr ils jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd "
    "mmk mnt mop mur mvr mwk mzn nad ngn nio npr pab pen pgk php pkr qar rsd rub sar sbd scr shp sle sos srd "
    "std szl tjs top try ttd twd tzs uah uyu uzs wst xcd yer zar zmw"
)
_SUPPORTED = _OTHERS | _THREE_DECIMALS | _WHOLE_UNITS_ONLY | _ZERO_DECIMALS | set(_MINIMUM)
_DEFAULT_MINIMUM = 50
_MAXIMUM = 99_999_999  # eight digits


def currency_code(text: str) -> str:
    """The code in lower case, as Stripe stores it. Raises StripeError for one it does not know."""
    code = text.lower()
    if code not in _SUPPORTED:
        raise StripeError(f"Invalid currency: {code}.", param="currency")
    return code


def decimals(currency: str) -> int:
    """How many digits of the amount stand behind the decimal point."""
    if currency in _ZERO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def display(amount: int, currency: str) -> str:
    """For people: `display(1299, "eur")` is `12.99 EUR`."""
    places = decimals(currency)
    return f"{amount / 10**places:.{places}f} {currency.upper()}"


def check_charge(amount: int, currency: str) -> None:
    """Raise StripeError when the amount cannot be charged in the currency."""
    if amount < _MINIMUM.get(currency, _DEFAULT_MINIMUM):
        least = display(_MINIMUM.get(currency, _DEFAULT_MINIMUM), currency)
        raise StripeError(f"Amount must be at least {least}", code="amount_too_small", param="amount")
    if amount > _MAXIMUM:
        most = display(_MAXIMUM, currency)
        raise StripeError(f"Amount must be no more than {most}", code="amount_too_large", param="amount")
    step = 10 if currency in _THREE_DECIMALS else 100 if currency in _WHOLE_UNITS_ONLY else 1
    if amount % step:
        message = f"Invalid amount for {currency.upper()}: must be a multiple of {step}"
        raise StripeError(message, code="parameter_invalid_integer", param="amount")

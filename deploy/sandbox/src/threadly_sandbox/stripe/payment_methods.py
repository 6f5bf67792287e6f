"""Payment methods: the ready-made test cards, and cards typed in with a test number."""

from typing import Literal

from ..documents import Json
from .account import Account, now
from .cards import TEST_CARDS, TestCard, by_number
from .errors import StripeError
from .ids import new_id
from .operations import Call, equal
from .params import Fields, ListParams, Metadata, Params, Text, merged_metadata


class CardDetails(Fields):
    number: str
    exp_month: int
    exp_year: int
    cvc: Text = None


class Address(Fields):
    city: Text = None
    country: Text = None
    line1: Text = None
    line2: Text = None
    postal_code: Text = None
    state: Text = None


class BillingDetails(Fields):
    address: Address = Address()
    email: Text = None
    name: Text = None
    phone: Text = None


class PaymentMethodData(Fields):
    type: Literal["card"]
    card: CardDetails
    billing_details: BillingDetails = BillingDetails()
    metadata: Metadata | None = None
    allow_redisplay: Text = None


class CreatePaymentMethod(Params, PaymentMethodData):
    pass


class Attach(Params):
    customer: str


class ListPaymentMethods(ListParams):
    customer: str | None = None
    type: str | None = None


def create(call: Call) -> Json:
    params = call.read(CreatePaymentMethod)
    return call.answer(from_params(call.account, params), params)


def retrieve(call: Call) -> Json:
    params = call.read(Params)
    return call.answer(resolve(call.account, call.path["id"], param="payment_method"), params)


def attach(call: Call) -> Json:
    params = call.read(Attach)
    method = resolve(call.account, call.path["id"], param="payment_method")
    call.account.load("customer", params.customer, param="customer")
    if method["customer"] not in (None, params.customer):
        raise StripeError(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    method["customer"] = params.customer
    call.account.save(method)
    call.account.emit("payment_method.attached", method)
    return call.answer(method, params)


def detach(call: Call) -> Json:
    params = call.read(Params)
    method = call.account.load("payment_method", call.path["id"])
    before = dict(method)
    method["customer"] = None
    call.account.save(method)
    call.account.emit("payment_method.detached", method, before)
    return call.answer(method, params)


def list_all(call: Call) -> Json:
    params = call.read(ListPaymentMethods)
    return call.page("payment_method", params, *equal(customer=params.customer, type=params.type))


def from_params(account: Account, params: PaymentMethodData) -> Json:
    """Raises StripeError 402 `incorrect_number` for a number that is no test card."""
    name = by_number(params.card.number)
    if name is None:
        raise StripeError(
            "Your card number is incorrect. The sandbox knows only the numbers of Stripe's test cards.",
            status=402,
            error_type="card_error",
            code="incorrect_number",
            param="number",
        )
    method = _new(name, params.card.exp_month, params.card.exp_year)
    method["billing_details"] = params.billing_details.model_dump()
    method["metadata"] = merged_metadata({}, params.metadata)
    account.save(method)
    return method


def resolve(account: Account, method_id: str, *, param: str) -> Json:
    """The payment method of that id. A ready-made `pm_card_…` becomes a new one each time, as at Stripe."""
    if method_id not in TEST_CARDS:
        return account.load("payment_method", method_id, param=param)
    method = _new(method_id, 12, 2034)
    account.save(method)
    return method


def test_card(method: Json) -> TestCard:
    return TEST_CARDS[method["_test_card"]]


def card_details(method: Json) -> Json:
    """What a charge says about the card that it was made to."""
    details: Json = method["card"]
    return {"type": "card", "card": {key: details[key] for key in _CHARGE_DETAILS} | {"three_d_secure": None}}


_CHARGE_DETAILS = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")


def _new(name: str, exp_month: int, exp_year: int) -> Json:
    card = TEST_CARDS[name]
    return {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        "card": {
            "brand": card.brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": "US",
            "display_brand": card.brand,
            "exp_month": exp_month,
            "exp_year": exp_year,
            "fingerprint": f"sandbox{card.number[-8:]}",
            "funding": "credit",
            "generated_from": None,
            "last4": card.number[-4:],
            "networks": {"available": [card.brand], "preferred": None},
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": now(),
        "customer": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
        "_test_card": name,
    }

"""Refunds: at once, or later with good or bad news for the cards that are made for it."""

from typing import Literal

from ..documents import Json
from . import payment_methods
from .account import Account, now
from .currencies import display
from .errors import StripeError
from .ids import new_id
from .operations import Call, equal
from .params import Amount, ListParams, Metadata, Params, merged_metadata


class CreateRefund(Params):
    amount: Amount | None = None
    charge: str | None = None
    metadata: Metadata | None = None
    payment_intent: str | None = None
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None
    refund_application_fee: bool = False
    reverse_transfer: bool = False


class UpdateRefund(Params):
    metadata: Metadata | None = None


class ListRefunds(ListParams):
    charge: str | None = None
    payment_intent: str | None = None


def create(call: Call) -> Json:
    params = call.read(CreateRefund)
    account = call.account
    charge = _charge(account, params)
    amount = _amount(charge, params.amount)
    aftermath = payment_methods.test_card(account.load("payment_method", charge["payment_method"])).aftermath
    refund: Json = {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": new_id("txn"),
        "charge": charge["id"],
        "created": now(),
        "currency": charge["currency"],
        "destination_details": {"card": {"reference_status": "pending", "type": "refund"}, "type": "card"},
        "metadata": merged_metadata({}, params.metadata),
        "payment_intent": charge["payment_intent"],
        "reason": params.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending" if aftermath == "refund_pends" else "succeeded",
        "transfer_reversal": None,
    }
    account.save(refund)
    before = dict(charge)
    _add_refunded(account, charge, amount)
    account.emit("refund.created", refund)
    account.emit("charge.refunded", charge, before)
    account.tell(f"{display(amount, charge['currency'])} refunded", refund)
    if aftermath in {"refund_pends", "refund_fails"}:
        account.timers.start(aftermath, {"refund": refund["id"]})
    return call.answer(refund, params)


def update(call: Call) -> Json:
    params = call.read(UpdateRefund)
    refund = call.account.load("refund", call.path["id"])
    before = dict(refund)
    refund["metadata"] = merged_metadata(refund["metadata"], params.metadata)
    call.account.save(refund)
    call.account.emit("refund.updated", refund, before)
    return call.answer(refund, params)


def list_all(call: Call) -> Json:
    params = call.read(ListRefunds)
    filters = equal(charge=params.charge, payment_intent=params.payment_intent)
    return call.page("refund", params, *filters)


def settle(account: Account, subject: Json) -> None:
    """A pending refund arrives at the buyer's bank."""
    refund = account.load("refund", subject["refund"])
    before = dict(refund)
    refund["status"] = "succeeded"
    account.save(refund)
    account.emit("refund.updated", refund, before)
    account.emit("charge.refund.updated", refund, before)


def bounce(account: Account, subject: Json) -> None:
    """The buyer's bank sends the money back: the charge counts as not refunded again."""
    refund = account.load("refund", subject["refund"])
    charge = account.load("charge", refund["charge"])
    before = dict(refund)
    refund |= {
        "status": "failed",
        "failure_reason": "expired_or_canceled_card",
        "failure_balance_transaction": new_id("txn"),
    }
    account.save(refund)
    _add_refunded(account, charge, -refund["amount"])
    for event_type in ("refund.updated", "refund.failed", "charge.refund.updated"):
        account.emit(event_type, refund, before)
    account.tell("Refund failed", refund)


def _charge(account: Account, params: CreateRefund) -> Json:
    if params.charge is not None:
        return account.load("charge", params.charge, param="charge")
    if params.payment_intent is None:
        raise StripeError(
            "One of the following params should be provided for this request: payment_intent or charge."
        )
    intent = account.load("payment_intent", params.payment_intent, param="payment_intent")
    if intent["status"] != "succeeded":
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise StripeError.unexpected_state(message, account.expanded(intent, []))
    return account.load("charge", intent["latest_charge"])


def _amount(charge: Json, wanted: int | None) -> int:
    rest: int = charge["amount"] - charge["amount_refunded"]
    if charge["disputed"]:
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise StripeError(message, code="charge_disputed", executed=True)
    if rest == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise StripeError(message, code="charge_already_refunded", executed=True)
    amount = rest if wanted is None else wanted
    if amount < 1:
        raise StripeError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > rest:
        currency = charge["currency"]
        message = (
            f"Refund amount ({display(amount, currency)}) is greater than unrefunded amount on charge "
            f"({display(rest, currency)})"
        )
        raise StripeError(message, param="amount", executed=True)
    return amount


def _add_refunded(account: Account, charge: Json, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    account.save(charge)

"""Charges: what a confirmed PaymentIntent does to a card."""

from ..documents import Json
from .account import Account, now
from .cards import Decline
from .currencies import display
from .ids import new_id
from .operations import Call, equal
from .params import ListParams
from .payment_methods import card_details, test_card

_RISK = {"risk_level": "normal", "risk_score": 20, "rule": None}

_COPIED = (
    "amount",
    "application_fee_amount",
    "currency",
    "customer",
    "description",
    "metadata",
    "on_behalf_of",
    "receipt_email",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
)
"""What a charge takes over from its PaymentIntent."""


class ListCharges(ListParams):
    payment_intent: str | None = None
    customer: str | None = None


def list_all(call: Call) -> Json:
    params = call.read(ListCharges)
    filters = equal(payment_intent=params.payment_intent, customer=params.customer)
    return call.page("charge", params, *filters)


def succeed(account: Account, intent: Json, method: Json, *, capture: bool) -> Json:
    """Charge the card, or only reserve the money when `capture` is false."""
    charge = _new(intent, method) | {
        "captured": capture,
        "amount_captured": intent["amount"] if capture else 0,
        "balance_transaction": new_id("txn") if capture else None,
        "outcome": {
            "network_status": "approved_by_network",
            "reason": None,
            "seller_message": "Payment complete.",
            "type": "authorized",
            **_RISK,
        },
        "paid": True,
        "status": "succeeded",
    }
    account.save(charge)
    account.emit("charge.succeeded", charge)
    account.tell(f"{display(charge['amount'], charge['currency'])} charged", charge)
    if test_card(method).aftermath == "dispute":
        account.timers.start("dispute", {"charge": charge["id"], "reason": test_card(method).dispute_reason})
    return charge


def fail(account: Account, intent: Json, method: Json, decline: Decline) -> Json:
    charge = _new(intent, method) | {
        "failure_code": decline.code,
        "failure_message": decline.message,
        "outcome": {
            "network_status": "declined_by_network",
            "reason": decline.decline_code or decline.code,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
            **_RISK,
        },
        "paid": False,
        "status": "failed",
    }
    account.save(charge)
    account.emit("charge.failed", charge)
    return charge


def capture(account: Account, charge: Json, amount: int) -> None:
    """Take `amount` of the reserved money; the rest goes back to the buyer at once."""
    before = dict(charge)
    charge |= {
        "captured": True,
        "amount_captured": amount,
        "amount_refunded": charge["amount"] - amount,
        "balance_transaction": new_id("txn"),
    }
    account.save(charge)
    account.emit("charge.captured", charge, before)


def release(account: Account, charge: Json) -> None:
    """Give reserved money back without having taken it."""
    before = dict(charge)
    charge |= {"amount_refunded": charge["amount"], "refunded": True}
    account.save(charge)
    account.emit("charge.refunded", charge, before)


def _new(intent: Json, method: Json) -> Json:
    return {
        "id": new_id("ch"),
        "object": "charge",
        **{name: intent[name] for name in _COPIED},
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "THREADLY SANDBOX",
        "captured": False,
        "created": now(),
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": card_details(method),
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "source_transfer": None,
    }

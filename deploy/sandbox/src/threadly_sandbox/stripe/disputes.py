"""Disputes: cards made for it bring one some time after a successful charge."""

from typing import Any

from ..documents import Json
from .account import Account, now
from .errors import StripeError
from .ids import new_id
from .operations import Call, equal
from .params import ListParams, Metadata, Params, merged_metadata

_EVIDENCE_PERIOD = 9 * 24 * 3600  # seconds


class ListDisputes(ListParams):
    charge: str | None = None
    payment_intent: str | None = None


class UpdateDispute(Params):
    evidence: dict[str, Any] | None = None
    metadata: Metadata | None = None
    submit: bool = True


def open_dispute(account: Account, subject: Json) -> None:
    """The buyer's bank takes the money back, or only asks (an inquiry)."""
    charge = account.load("charge", subject["charge"])
    inquiry = subject["reason"] == "inquiry"
    dispute = {
        "id": new_id("du"),
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": now(),
        "currency": charge["currency"],
        "evidence": {},
        "evidence_details": {"due_by": now() + _EVIDENCE_PERIOD, "has_evidence": False, "past_due": False},
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": "fraudulent" if inquiry else subject["reason"],
        "status": "warning_needs_response" if inquiry else "needs_response",
    }
    account.save(dispute)
    before = dict(charge)
    charge["disputed"] = not inquiry
    account.save(charge)
    account.emit("charge.dispute.created", dispute)
    account.emit("charge.updated", charge, before)
    if not inquiry:
        account.emit("charge.dispute.funds_withdrawn", dispute)
    account.tell(f"Dispute opened: {dispute['reason']}", dispute)


def update(call: Call) -> Json:
    """Evidence decides: Stripe's words `winning_evidence` and `losing_evidence` close the dispute."""
    params = call.read(UpdateDispute)
    account, dispute = call.account, call.account.load("dispute", call.path["id"])
    _demand_open(dispute)
    before = dict(dispute)
    dispute["evidence"] = dispute["evidence"] | (params.evidence or {})
    dispute["metadata"] = merged_metadata(dispute["metadata"], params.metadata)
    verdict = dispute["evidence"].get("uncategorized_text")
    if params.submit and verdict in {"winning_evidence", "losing_evidence"}:
        _end(account, dispute, won=verdict == "winning_evidence")
    else:
        dispute["status"] = "under_review" if params.submit and params.evidence else dispute["status"]
        account.save(dispute)
        account.emit("charge.dispute.updated", dispute, before)
    return call.answer(dispute, params)


def close(call: Call) -> Json:
    """Accept the loss."""
    params = call.read(Params)
    dispute = call.account.load("dispute", call.path["id"])
    _demand_open(dispute)
    _end(call.account, dispute, won=False)
    return call.answer(dispute, params)


def list_all(call: Call) -> Json:
    params = call.read(ListDisputes)
    filters = equal(charge=params.charge, payment_intent=params.payment_intent)
    return call.page("dispute", params, *filters)


def _demand_open(dispute: Json) -> None:
    if dispute["status"] in {"won", "lost"}:
        raise StripeError("This dispute is already closed.", executed=True)


def _end(account: Account, dispute: Json, *, won: bool) -> None:
    dispute["status"] = "won" if won else "lost"
    account.save(dispute)
    account.emit("charge.dispute.closed", dispute)
    if won:
        account.emit("charge.dispute.funds_reinstated", dispute)
    account.tell(f"Dispute {dispute['status']}", dispute)

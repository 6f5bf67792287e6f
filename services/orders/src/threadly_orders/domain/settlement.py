"""What becomes of captured money: one order, or one full refund, never both, never neither."""

from dataclasses import dataclass
from enum import StrEnum

from .checkout import PAYABLE, CheckoutStatus


class Rejection(StrEnum):
    """Why captured money does not become an order."""

    AMOUNT_MISMATCH = "AMOUNT_MISMATCH"
    """Another amount or currency than agreed was paid (E026)."""
    ITEM_GONE = "ITEM_GONE"
    """The checkout was over, and the item is sold, held by another, withdrawn or dearer now (E022)."""
    SECOND_PAYMENT = "SECOND_PAYMENT"
    """The checkout was already paid with another PaymentIntent."""


#: In the words of the buyer's notice.
REASONS = {
    Rejection.AMOUNT_MISMATCH: "The amount paid was not the amount agreed.",
    Rejection.ITEM_GONE: "The item was no longer available when your payment arrived.",
    Rejection.SECOND_PAYMENT: "You had already paid for this item.",
}


@dataclass(frozen=True, slots=True)
class Capture:
    """The facts about a captured payment that decide its fate."""

    checkout: CheckoutStatus
    is_the_checkouts_intent: bool
    as_agreed: bool
    """Amount and currency are those of the checkout."""
    item_is_sellable: bool
    """Asked only after the checkout's end: the local copy still offers the item at the same price."""


def rejection_of(capture: Capture) -> Rejection | None:
    """Why the captured money must go back; None when it buys the item."""
    if not capture.is_the_checkouts_intent or capture.checkout is CheckoutStatus.COMPLETED:
        return Rejection.SECOND_PAYMENT
    if not capture.as_agreed:
        return Rejection.AMOUNT_MISMATCH
    if capture.checkout in PAYABLE or capture.item_is_sellable:
        return None
    return Rejection.ITEM_GONE

"""A checkout's life: one buyer holds one item while paying for it."""

from enum import StrEnum

from threadly_contracts.orders import CheckoutEnding


class CheckoutStatus(StrEnum):
    """Where a checkout stands."""

    OPEN = "OPEN"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    """The last try to pay was declined; the item is still held and another try is welcome."""
    COMPLETED = "COMPLETED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    """Money was taken but the item could not be sold: it goes back in full."""


#: A checkout in one of these has the item to itself: the partial unique index `uq_checkout_live_product`.
LIVE = frozenset({CheckoutStatus.OPEN, CheckoutStatus.PAYMENT_FAILED, CheckoutStatus.COMPLETED})
#: In these the buyer may still pay.
PAYABLE = frozenset({CheckoutStatus.OPEN, CheckoutStatus.PAYMENT_FAILED})

ENDED_AS = {
    CheckoutEnding.EXPIRED: CheckoutStatus.EXPIRED,
    CheckoutEnding.CANCELLED: CheckoutStatus.CANCELLED,
    CheckoutEnding.FAILED: CheckoutStatus.CANCELLED,
    CheckoutEnding.PRODUCT_GONE: CheckoutStatus.CANCELLED,
}

_WHY_ENDED = {
    CheckoutEnding.EXPIRED: "The time to pay ran out. Start again if the item is still there.",
    CheckoutEnding.CANCELLED: "You cancelled this checkout.",
    CheckoutEnding.FAILED: "The payment could not be set up. Please try again.",
    CheckoutEnding.PRODUCT_GONE: "The seller withdrew or changed the item before you paid.",
}
_WHY_REJECTED = "The item could not be sold to you. Your money goes back in full."


def explain(status: CheckoutStatus, ending: CheckoutEnding | None, failure: str | None) -> str | None:
    """What the buyer is told about a checkout that is not on its way; None when there is nothing to say."""
    if status is CheckoutStatus.PAYMENT_FAILED:
        return failure
    if status is CheckoutStatus.REJECTED:
        return _WHY_REJECTED
    if status in LIVE or ending is None:
        return None
    return _WHY_ENDED[ending]

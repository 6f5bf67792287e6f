"""What orders refuses, by name.

::

    Conflict 409   ItemReserved · ItemSold · ItemUnavailable · OwnItem · PriceChanged
                   CheckoutCompleted · PaymentNotConfirmed · PaymentInProgress
    Invalid 422    AmountNotChargeable · IdempotencyKeyRequired
    NotFound 404   CheckoutNotFound · OrderNotFound
"""

from threadly_chassis.errors import Conflict, Invalid, Later, NotFound, ThreadlyError


class ItemReserved(Conflict, Later):
    """Another buyer holds the item; `Retry-After` says until when at most (E001)."""

    code = "item_reserved"
    title = "Somebody else is buying this item"


class ItemSold(Conflict):
    """The item has its buyer."""

    code = "item_sold"
    title = "This item is sold"


class ItemUnavailable(Conflict):
    """The item was withdrawn, or was never heard of here."""

    code = "item_unavailable"
    title = "This item is not for sale"


class OwnItem(Conflict):
    """A seller wants to buy from themselves (E007)."""

    code = "own_item"
    title = "This is your own item"


class PriceChanged(Conflict):
    """The buyer saw another price than the present one."""

    code = "price_changed"
    title = "The price has changed"


class CheckoutCompleted(Conflict):
    """The checkout has become an order and cannot be cancelled."""

    code = "checkout_completed"
    title = "This checkout is already paid"


class PaymentNotConfirmed(Conflict):
    """Stripe has not captured the money yet (flows CO-24)."""

    code = "payment_not_confirmed"
    title = "Payment not confirmed"


class PaymentInProgress(Conflict):
    """The bank is at work: the payment can neither be cancelled nor counted on yet."""

    code = "payment_in_progress"
    title = "The payment is being processed"


class AmountNotChargeable(Invalid):
    """Stripe cannot charge this amount in this currency (E047)."""

    code = "amount_not_chargeable"
    title = "This price cannot be charged"


class IdempotencyKeyRequired(Invalid):
    """A checkout is started with an `Idempotency-Key`, so that a lost answer can be asked for again."""

    code = "idempotency_key_required"
    title = "Send an Idempotency-Key"


class CheckoutNotFound(NotFound):
    """There is no such checkout, or it is somebody else's."""

    code = "checkout_not_found"
    title = "There is no such checkout"


class OrderNotFound(NotFound):
    """There is no such order, or the caller is neither its buyer nor its seller."""

    code = "order_not_found"
    title = "There is no such order"


class PromiseBroken(ThreadlyError):
    """Raised at nobody, reported to operators: something that must never be is (`check_promises`)."""

    code = "promise_broken"


class UnexpectedCapture(ThreadlyError):
    """Reported to operators: Stripe captured money that nobody agreed to (E026)."""

    code = "unexpected_capture"


class RefundFailed(ThreadlyError):
    """Reported to operators: Stripe could not give money back."""

    code = "refund_failed"

"""How a PaymentIntent moves from state to state.

requires_payment_method -> requires_confirmation -> requires_action | requires_capture | succeeded, and
canceled from every state before the money is taken. A decline leads back to requires_payment_method.
Source: https://docs.stripe.com/payments/paymentintents/lifecycle.
"""

from ..documents import Json
from . import charges, payment_methods
from .account import Account, public
from .cards import Decline
from .currencies import display
from .errors import StripeError
from .ids import new_id
from .intent_params import Confirm, CreateIntent, UpdateIntent
from .operations import Call

CHANGEABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = (*CHANGEABLE, "requires_capture")

_NOT_AUTHENTICATED = Decline(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
)
_CHALLENGE_FAILED = Decline(
    "payment_intent_authentication_failure",
    "We are unable to authenticate your payment method. Please choose a different payment method and try "
    "again.",
)
_NO_PAYMENT_METHOD = (
    "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
    "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
    "payment method or ConfirmationToken."
)
_NO_RETURN_URL = (
    "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of "
    "these payment methods might redirect your customer off of your page, you must provide a `return_url`. "
    "If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to "
    "`true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and "
    "Payment Intents."
)


def take_payment_method(
    account: Account, intent: Json, params: CreateIntent | UpdateIntent | Confirm
) -> None:
    if params.payment_method_data is not None:
        method = payment_methods.from_params(account, params.payment_method_data)
    elif params.payment_method is not None:
        method = payment_methods.resolve(account, params.payment_method, param="payment_method")
    else:
        return
    if method["customer"] not in (None, intent["customer"]):
        message = "The payment method belongs to a different customer than the PaymentIntent."
        raise StripeError(message, param="payment_method")
    intent |= {
        "payment_method": method["id"],
        "status": "requires_confirmation",
        "next_action": None,
        "_authenticated": False,
    }


def demand(intent: Json, verb: str, allowed: tuple[str, ...]) -> None:
    if intent["status"] not in allowed:
        participle = {"cancel": "canceled", "capture": "captured", "confirm": "confirmed"}[verb]
        raise StripeError.unexpected_state(
            f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}. Only a "
            f"PaymentIntent with one of the following statuses may be {participle}: {', '.join(allowed)}.",
            public(intent),
        )


def confirm(call: Call, intent: Json, params: CreateIntent | Confirm) -> None:
    account = call.account
    if intent["payment_method"] is None:
        raise StripeError.unexpected_state(_NO_PAYMENT_METHOD, public(intent))
    automatic = intent["automatic_payment_methods"]
    if automatic and automatic["allow_redirects"] == "always" and params.return_url is None:
        raise StripeError(_NO_RETURN_URL)
    method = account.load("payment_method", intent["payment_method"])
    card = payment_methods.test_card(method)
    if card.behaviour == "authenticate" and not intent["_authenticated"]:
        if params.off_session or params.error_on_requires_action:
            _decline(account, intent, method, _NOT_AUTHENTICATED)
        _challenge(call, intent, params.return_url)
    else:
        _charge(account, intent, method)


def finish_challenge(account: Account, intent: Json, *, approved: bool) -> None:
    """The buyer answers the bank's challenge; without effect once the intent has moved on."""
    if intent["status"] != "requires_action":
        return
    method = account.load("payment_method", intent["payment_method"])
    intent["next_action"] = None
    if not approved:
        error = _last_error(_CHALLENGE_FAILED, method, error_type="invalid_request_error")
        _back_to_start(account, intent, error)
    elif intent["confirmation_method"] == "manual":
        intent |= {"status": "requires_confirmation", "_authenticated": True}
        account.save(intent)
    else:
        _charge(account, intent, method)


def _challenge(call: Call, intent: Json, return_url: str | None) -> None:
    page = f"{call.base_url}/challenge/{intent['id']}?client_secret={intent['client_secret']}"
    if return_url is not None:
        action: Json = {"type": "redirect_to_url", "redirect_to_url": {"url": page, "return_url": return_url}}
    else:
        sdk = {"type": "three_d_secure_redirect", "stripe_js": page, "source": new_id("payatt")}
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": sdk}
    intent |= {"status": "requires_action", "next_action": action}
    call.account.save(intent)
    call.account.emit("payment_intent.requires_action", intent)
    call.account.tell("PaymentIntent waits for the buyer's bank", intent)


def _charge(account: Account, intent: Json, method: Json) -> None:
    decline = payment_methods.test_card(method).decline
    if decline is not None:
        _decline(account, intent, method, decline)
    later = intent["capture_method"] == "manual"
    charge = charges.succeed(account, intent, method, capture=not later)
    intent |= {"latest_charge": charge["id"], "last_payment_error": None, "next_action": None}
    if later:
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        account.save(intent)
        account.emit("payment_intent.amount_capturable_updated", intent)
    else:
        succeed(account, intent, intent["amount"])


def succeed(account: Account, intent: Json, amount: int) -> None:
    intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
    account.save(intent)
    account.emit("payment_intent.succeeded", intent)
    account.tell(f"PaymentIntent paid: {display(amount, intent['currency'])}", intent)


def _decline(account: Account, intent: Json, method: Json, decline: Decline) -> None:
    """Always raises StripeError 402, after recording what happened."""
    charge = charges.fail(account, intent, method, decline)
    intent["latest_charge"] = charge["id"]
    error = _last_error(decline, method, error_type="card_error") | {"charge": charge["id"]}
    _back_to_start(account, intent, error)
    raise StripeError(
        decline.message,
        status=402,
        error_type="card_error",
        code=decline.code,
        decline_code=decline.decline_code,
        executed=True,
        extra={
            "charge": charge["id"],
            "payment_intent": public(intent),
            "payment_method": public(method),
        },
    )


def _back_to_start(account: Account, intent: Json, error: Json) -> None:
    intent |= {"status": "requires_payment_method", "payment_method": None, "last_payment_error": error}
    intent |= {"next_action": None, "_authenticated": False}
    account.save(intent)
    account.emit("payment_intent.payment_failed", intent)
    account.tell(f"PaymentIntent failed: {error['message']}", intent)


def _last_error(decline: Decline, method: Json, *, error_type: str) -> Json:
    error = {
        "code": decline.code,
        "message": decline.message,
        "type": error_type,
        "payment_method": public(method),
    }
    return error if decline.decline_code is None else error | {"decline_code": decline.decline_code}

"""PaymentIntents: the calls. How they move from state to state is told in `lifecycle`."""

from ..documents import Json
from . import charges, lifecycle
from .account import now, public
from .currencies import check_charge, currency_code, display
from .errors import StripeError
from .ids import new_id, random_letters
from .intent_params import (
    Cancel,
    Capture,
    Confirm,
    CreateIntent,
    ListIntents,
    RetrieveIntent,
    UpdateIntent,
)
from .operations import Call, equal
from .params import merged_metadata

_OF_THE_CALL = (
    "error_on_requires_action",
    "off_session",
    "payment_method",
    "payment_method_data",
    "return_url",
    "use_stripe_sdk",
)
"""Parameters of a confirmation that say how to confirm and are no fields of the intent."""


def create(call: Call) -> Json:
    params = call.read(CreateIntent)
    account = call.account
    intent = _new(params)
    if params.customer is not None:
        account.load("customer", params.customer, param="customer")
    lifecycle.take_payment_method(account, intent, params)
    account.save(intent)
    account.emit("payment_intent.created", intent)
    account.tell(f"PaymentIntent over {display(intent['amount'], intent['currency'])} created", intent)
    if params.confirm:
        lifecycle.confirm(call, intent, params)
    elif params.return_url is not None or params.off_session is not None:
        name = "return_url" if params.return_url is not None else "off_session"
        message = f"The parameter `{name}` can only be used when `confirm` is true."
        raise StripeError(message, param=name)
    return call.answer(intent, params)


def retrieve(call: Call) -> Json:
    params = call.read(RetrieveIntent)
    return call.answer(_load(call, params.client_secret), params)


def update(call: Call) -> Json:
    params = call.read(UpdateIntent)
    account, intent = call.account, _load(call, None)
    change = params.given("metadata", "payment_method", "payment_method_data")
    for name in ("amount", "currency", "payment_method"):
        if getattr(params, name) is not None and intent["status"] not in lifecycle.CHANGEABLE:
            raise StripeError.unexpected_state(
                f"This PaymentIntent's {name} could not be updated because it has a status of "
                f"{intent['status']}. You may only update the {name} of a PaymentIntent with one of the "
                f"following statuses: {', '.join(lifecycle.CHANGEABLE)}.",
                public(intent),
            )
    if "currency" in change:
        change["currency"] = currency_code(change["currency"])
    intent |= change
    check_charge(intent["amount"], intent["currency"])
    intent["metadata"] = merged_metadata(intent["metadata"], params.metadata)
    lifecycle.take_payment_method(account, intent, params)
    account.save(intent)
    return call.answer(intent, params)


def confirm(call: Call) -> Json:
    params = call.read(Confirm)
    intent = _load(call, params.client_secret)
    if intent["status"] == "succeeded":
        message = "You cannot confirm this PaymentIntent because it has already succeeded after being "
        raise StripeError.unexpected_state(message + "previously confirmed.", public(intent))
    lifecycle.demand(intent, "confirm", lifecycle.CHANGEABLE)
    intent |= params.given("client_secret", *_OF_THE_CALL)
    lifecycle.take_payment_method(call.account, intent, params)
    lifecycle.confirm(call, intent, params)
    return call.answer(intent, params)


def cancel(call: Call) -> Json:
    params = call.read(Cancel)
    account, intent = call.account, _load(call, None)
    lifecycle.demand(intent, "cancel", lifecycle.CANCELABLE)
    if intent["status"] == "requires_capture":
        charges.release(account, account.load("charge", intent["latest_charge"]))
    intent |= {
        "status": "canceled",
        "canceled_at": now(),
        "cancellation_reason": params.cancellation_reason,
        "amount_capturable": 0,
        "next_action": None,
    }
    account.save(intent)
    account.emit("payment_intent.canceled", intent)
    account.tell("PaymentIntent cancelled", intent)
    return call.answer(intent, params)


def capture(call: Call) -> Json:
    params = call.read(Capture)
    account, intent = call.account, _load(call, None)
    lifecycle.demand(intent, "capture", ("requires_capture",))
    amount = intent["amount_capturable"] if params.amount_to_capture is None else params.amount_to_capture
    if not 0 < amount <= intent["amount_capturable"]:
        message = "The amount to capture must be positive and at most the amount that can be captured."
        raise StripeError(message, param="amount_to_capture")
    charges.capture(account, account.load("charge", intent["latest_charge"]), amount)
    lifecycle.succeed(account, intent, amount)
    return call.answer(intent, params)


def list_all(call: Call) -> Json:
    params = call.read(ListIntents)
    return call.page("payment_intent", params, *equal(customer=params.customer))


def _new(params: CreateIntent) -> Json:
    currency = currency_code(params.currency)
    check_charge(params.amount, currency)
    automatic = params.automatic_payment_methods
    intent_id = new_id("pi")
    if automatic is not None and automatic.enabled and params.payment_method_types is not None:
        message = (
            "You may only specify one of these parameters: automatic_payment_methods, payment_method_types."
        )
        raise StripeError(message)
    use_automatic = params.payment_method_types is None and (automatic is None or automatic.enabled)
    redirects = automatic.allow_redirects if automatic is not None else "always"
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": params.amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": params.application_fee_amount,
        "automatic_payment_methods": {"allow_redirects": redirects, "enabled": True}
        if use_automatic
        else None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.capture_method,
        "client_secret": f"{intent_id}_secret_{random_letters(25)}",
        "confirmation_method": params.confirmation_method,
        "created": now(),
        "currency": currency,
        "customer": params.customer,
        "customer_account": None,
        "description": params.description,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": merged_metadata({}, params.metadata),
        "next_action": None,
        "on_behalf_of": params.on_behalf_of,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": params.payment_method_options or {},
        "payment_method_types": params.payment_method_types or ["card"],
        "processing": None,
        "receipt_email": params.receipt_email,
        "review": None,
        "setup_future_usage": params.setup_future_usage,
        "shipping": params.shipping,
        "source": None,
        "statement_descriptor": params.statement_descriptor,
        "statement_descriptor_suffix": params.statement_descriptor_suffix,
        "status": "requires_payment_method",
        "transfer_data": params.transfer_data,
        "transfer_group": params.transfer_group,
        "_authenticated": False,
    }


def _load(call: Call, client_secret: str | None) -> Json:
    """A browser must also know the intent's client secret."""
    intent = call.account.load("payment_intent", call.path["id"], param="intent")
    if (call.publishable or client_secret is not None) and client_secret != intent["client_secret"]:
        if client_secret is None:
            raise StripeError.missing_param("client_secret")
        message = (
            "The client_secret provided does not match the client_secret associated with this PaymentIntent."
        )
        raise StripeError(message, param="client_secret")
    return intent

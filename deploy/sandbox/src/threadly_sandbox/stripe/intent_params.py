"""The parameters of the PaymentIntent calls."""

from typing import Any, Literal

from .params import Amount, CaptureMethod, Fields, Items, ListParams, Metadata, Params, Text
from .payment_methods import PaymentMethodData

PaymentMethodType = Literal["card", "link"]
FutureUsage = Literal["off_session", "on_session"]


class AutomaticPaymentMethods(Fields):
    enabled: bool
    allow_redirects: Literal["always", "never"] = "always"


class _Described(Params):
    """What create and update have in common."""

    application_fee_amount: Amount | None = None
    customer: str | None = None
    description: Text = None
    metadata: Metadata | None = None
    payment_method: str | None = None
    payment_method_data: PaymentMethodData | None = None
    payment_method_options: dict[str, Any] | None = None
    payment_method_types: Items[PaymentMethodType] | None = None
    receipt_email: Text = None
    setup_future_usage: FutureUsage | None = None
    shipping: dict[str, Any] | None = None
    statement_descriptor: Text = None
    statement_descriptor_suffix: Text = None
    transfer_data: dict[str, Any] | None = None
    transfer_group: Text = None


class _Confirmed(Params):
    """What create and confirm have in common."""

    error_on_requires_action: bool = False
    off_session: bool | None = None
    return_url: Text = None
    use_stripe_sdk: bool = False


class CreateIntent(_Described, _Confirmed):
    amount: Amount
    currency: str
    automatic_payment_methods: AutomaticPaymentMethods | None = None
    capture_method: CaptureMethod = "automatic_async"
    confirm: bool = False
    confirmation_method: Literal["automatic", "manual"] = "automatic"
    on_behalf_of: Text = None


class UpdateIntent(_Described):
    amount: Amount | None = None
    currency: str | None = None
    capture_method: CaptureMethod = "automatic_async"


class Confirm(_Confirmed):
    capture_method: CaptureMethod = "automatic_async"
    client_secret: str | None = None
    payment_method: str | None = None
    payment_method_data: PaymentMethodData | None = None
    payment_method_options: dict[str, Any] | None = None
    payment_method_types: Items[PaymentMethodType] | None = None
    receipt_email: Text = None
    setup_future_usage: FutureUsage | None = None
    shipping: dict[str, Any] | None = None


class RetrieveIntent(Params):
    client_secret: str | None = None


class Cancel(Params):
    cancellation_reason: Literal["abandoned", "duplicate", "fraudulent", "requested_by_customer"] | None = (
        None
    )


class Capture(Params):
    amount_to_capture: Amount | None = None
    metadata: Metadata | None = None


class ListIntents(ListParams):
    customer: str | None = None

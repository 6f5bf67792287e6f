"""Checkouts: start one, look at it, ask how the payment went, walk away."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response, status

from threadly_chassis.http import CurrentPrincipal, router
from threadly_chassis.http.idempotency import idempotency_key

from ..dependencies import Deps
from ..domain.errors import IdempotencyKeyRequired
from ..use_cases.cancel_checkout import cancel_checkout
from ..use_cases.confirm_checkout import confirm_checkout
from ..use_cases.get_checkout import get_checkout
from ..use_cases.reserve_item import StartCheckout
from ..use_cases.start_checkout import start_checkout
from .schemas import CheckoutView, StartCheckoutBody, StartedCheckoutView

checkouts = router("/v1/checkouts", tags=["checkouts"])


async def _required_key(request: Request) -> str:
    if "idempotency-key" not in request.headers:
        raise IdempotencyKeyRequired("A UUID per attempt will do; repeat it to repeat the request.")
    return idempotency_key(request)


@checkouts.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {"model": StartedCheckoutView, "description": "The checkout was begun before"},
        409: {
            "description": "item_reserved, item_sold, item_unavailable, own_item, price_changed",
        },
        503: {"description": "payments_unavailable"},
    },
)
async def start(
    body: StartCheckoutBody,
    principal: CurrentPrincipal,
    key: Annotated[str, Depends(_required_key)],
    deps: Deps,
    response: Response,
) -> StartedCheckoutView:
    """Hold an item for the caller and prepare its payment; needs an `Idempotency-Key`."""
    wanted = StartCheckout(
        buyer_id=principal.user_id,
        product_id=body.product_id,
        expected_price=body.expected_price,
        idempotency_key=key,
    )
    started = await start_checkout(wanted, deps=deps)
    if not started.is_new:
        response.status_code = status.HTTP_200_OK
    response.headers["Location"] = f"/v1/checkouts/{started.checkout.id}"
    response.headers["Cache-Control"] = "no-store"
    return StartedCheckoutView(
        **dict(CheckoutView.of(started.checkout, None)),
        client_secret=started.client_secret,
        publishable_key=deps.settings.stripe_publishable_key,
    )


@checkouts.get("/{checkout_id}")
async def show(checkout_id: UUID, principal: CurrentPrincipal, deps: Deps) -> CheckoutView:
    """Show the caller's checkout."""
    return CheckoutView.of(*await get_checkout(checkout_id, buyer_id=principal.user_id, deps=deps))


@checkouts.post("/{checkout_id}/confirm", responses={409: {"description": "payment_not_confirmed"}})
async def confirm(checkout_id: UUID, principal: CurrentPrincipal, deps: Deps) -> CheckoutView:
    """Ask Stripe how the payment went and answer with the result."""
    return CheckoutView.of(*await confirm_checkout(checkout_id, buyer_id=principal.user_id, deps=deps))


@checkouts.post(
    "/{checkout_id}/cancel", responses={409: {"description": "checkout_completed, payment_in_progress"}}
)
async def cancel(checkout_id: UUID, principal: CurrentPrincipal, deps: Deps) -> CheckoutView:
    """Let go of the item; a payment that was faster stands."""
    return CheckoutView.of(*await cancel_checkout(checkout_id, buyer_id=principal.user_id, deps=deps))

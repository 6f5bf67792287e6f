"""Where Stripe delivers its events: verify the raw bytes, keep them once, answer fast."""

from fastapi import Request, Response, status

from threadly_chassis.http import CurrentTransaction, router
from threadly_chassis.http.problems import problem
from threadly_chassis.observability.logging import get_logger
from threadly_chassis.observability.metrics import DOMAIN_EVENTS

from ..dependencies import Deps
from ..gateways.payments import WebhookInvalid
from ..use_cases.receive_stripe_event import receive_stripe_event

webhooks = router("/v1/webhooks", tags=["webhooks"])

#: Bytes. Stripe's largest events are far below.
_MAX_BODY = 512 * 1024

_log = get_logger(__name__)


@webhooks.post("/stripe", status_code=status.HTTP_204_NO_CONTENT, responses={400: {}, 413: {}})
async def receive(request: Request, tx: CurrentTransaction, deps: Deps) -> Response:
    """Take in one signed event; the work is done by the worker (R-ORD-15)."""
    body = await _capped_body(request)
    if body is None:
        return problem(413, "too_large", "The event is too large")
    try:
        event = deps.payments.read_webhook(body, request.headers.get("stripe-signature"))
    except WebhookInvalid as error:
        DOMAIN_EVENTS.labels("stripe_webhook_invalid").inc()
        _log.warning("stripe webhook refused", error=str(error.__cause__ or error), size=len(body))
        return problem(400, error.code, error.title)
    await receive_stripe_event(event, source="webhook", tx=tx, now=deps.clock.now())
    return Response(status_code=status.HTTP_204_NO_CONTENT)


async def _capped_body(request: Request) -> bytes | None:
    """Read the body as it came; None once it is over the limit, without reading the rest."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            return None
    return bytes(body)

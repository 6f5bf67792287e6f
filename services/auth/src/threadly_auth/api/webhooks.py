"""Where Clerk delivers its news."""

from fastapi import Request, Response, status

from threadly_chassis.http import CurrentTransaction, router
from threadly_chassis.http.problems import problem

from ..dependencies import Deps
from ..domain.svix import SignatureRefused
from ..use_cases.receive_clerk_news import MalformedWebhook, receive_webhook

webhooks = router("/v1/webhooks", tags=["webhooks"])


@webhooks.post("/clerk", status_code=status.HTTP_204_NO_CONTENT)
async def clerk_webhook(request: Request, tx: CurrentTransaction, deps: Deps) -> Response:
    """Take in one event, signed by Svix; 400 when it is not, so that only real failures are retried."""
    try:
        await receive_webhook(
            request.headers,
            await request.body(),
            secret=deps.settings.clerk_webhook_secret.get_secret_value(),
            tx=tx,
            now=deps.clock.now(),
        )
    except (SignatureRefused, MalformedWebhook) as error:
        return problem(400, "webhook_refused", "The webhook is not accepted", str(error))
    return Response(status_code=status.HTTP_204_NO_CONTENT)

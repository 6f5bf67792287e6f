"""The Stripe server: the route table and what runs beside it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..documents import Documents
from ..journal import Journal
from ..settings import SandboxSettings
from ..webhooks import Courier
from . import charges, customers, disputes, endpoints, events, intents, payment_methods, refunds
from .account import Account
from .challenge import challenge_routes
from .errors import unrecognized_url
from .gate import Answer, Gate, respond
from .ids import new_id
from .operations import Operation, retrieve
from .signing import sign
from .timers import Timers

OPERATIONS = (
    Operation("POST", "/v1/payment_intents", intents.create),
    Operation("GET", "/v1/payment_intents", intents.list_all),
    Operation("GET", "/v1/payment_intents/{id}", intents.retrieve, publishable=True),
    Operation("POST", "/v1/payment_intents/{id}", intents.update),
    Operation("POST", "/v1/payment_intents/{id}/confirm", intents.confirm, publishable=True),
    Operation("POST", "/v1/payment_intents/{id}/capture", intents.capture),
    Operation("POST", "/v1/payment_intents/{id}/cancel", intents.cancel),
    Operation("POST", "/v1/refunds", refunds.create),
    Operation("GET", "/v1/refunds", refunds.list_all),
    Operation("GET", "/v1/refunds/{id}", retrieve("refund")),
    Operation("POST", "/v1/refunds/{id}", refunds.update),
    Operation("GET", "/v1/charges", charges.list_all),
    Operation("GET", "/v1/charges/{id}", retrieve("charge")),
    Operation("GET", "/v1/disputes", disputes.list_all),
    Operation("GET", "/v1/disputes/{id}", retrieve("dispute")),
    Operation("POST", "/v1/disputes/{id}", disputes.update),
    Operation("POST", "/v1/disputes/{id}/close", disputes.close),
    Operation("GET", "/v1/events", events.list_all),
    Operation("GET", "/v1/events/{id}", retrieve("event")),
    Operation("POST", "/v1/customers", customers.create),
    Operation("GET", "/v1/customers", customers.list_all),
    Operation("GET", "/v1/customers/{id}", retrieve("customer")),
    Operation("POST", "/v1/customers/{id}", customers.update),
    Operation("DELETE", "/v1/customers/{id}", customers.delete),
    Operation("POST", "/v1/payment_methods", payment_methods.create, publishable=True),
    Operation("GET", "/v1/payment_methods", payment_methods.list_all),
    Operation("GET", "/v1/payment_methods/{id}", payment_methods.retrieve),
    Operation("POST", "/v1/payment_methods/{id}/attach", payment_methods.attach),
    Operation("POST", "/v1/payment_methods/{id}/detach", payment_methods.detach),
    Operation("POST", "/v1/webhook_endpoints", endpoints.create),
    Operation("GET", "/v1/webhook_endpoints", endpoints.list_all),
    Operation("GET", "/v1/webhook_endpoints/{id}", retrieve("webhook_endpoint")),
    Operation("POST", "/v1/webhook_endpoints/{id}", endpoints.update),
    Operation("DELETE", "/v1/webhook_endpoints/{id}", endpoints.delete),
)

# The browser confirms payments from the shop's own pages, so every origin may call.
_ANY_ORIGIN = Middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["GET", "POST"],
    allow_headers=["*"],
    expose_headers=["Request-Id", "Stripe-Version", "Idempotent-Replayed"],
)


def create_app(settings: SandboxSettings, journal: Journal) -> Starlette:
    """The server; its `state.courier` delivers the webhooks while the application's lifespan runs."""
    documents = Documents(settings.data_dir and settings.data_dir / "stripe.sqlite")
    courier = Courier(
        "Stripe",
        documents=documents,
        journal=journal,
        sign=sign,
        on_delivered=lambda event_id: events.mark_delivered(documents, event_id),
    )
    timers = Timers(documents, settings.stripe_settle_ms / 1000)
    account = Account(documents, journal, courier, timers)
    timers.on("dispute", lambda subject: disputes.open_dispute(account, subject))
    timers.on("refund_fails", lambda subject: refunds.bounce(account, subject))
    timers.on("refund_pends", lambda subject: refunds.settle(account, subject))
    endpoints.install_default(
        documents,
        f"{settings.public_url}/v1/webhooks/stripe",
        settings.stripe_webhook_secret.get_secret_value(),
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with courier.running(), timers.running():
            yield
        documents.close()

    gate = Gate(account, settings)
    routes = [
        Route(each.path, _endpoint(gate, each), methods=[each.method], include_in_schema=False)
        for each in OPERATIONS
    ]
    app = Starlette(
        routes=[*routes, *challenge_routes(account)],
        middleware=[_ANY_ORIGIN],
        exception_handlers={404: _unknown, 405: _unknown},
        lifespan=lifespan,
    )
    app.state.courier = courier
    return app


def _endpoint(gate: Gate, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await gate.answer(operation, request)

    return endpoint


async def _unknown(request: Request, _error: Exception) -> Response:
    error = unrecognized_url(request.method, request.url.path)
    return respond(Answer(error.status, error.body()), request, new_id("req"))

"""From an HTTP request to an operation and back: keys, parameters, idempotency, the shape of answers."""

import asyncio
import base64
import binascii
import hmac
import logging
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..documents import Json
from ..settings import SandboxSettings
from .account import API_VERSION, Account
from .errors import StripeError
from .forms import MalformedFormError, Tree, parse_form
from .idempotency import IdempotencyKeys
from .ids import new_id
from .operations import Call, Operation

_log = logging.getLogger(__name__)

_MAX_BODY = 1_000_000  # bytes
_NO_KEY = (
    "You did not provide an API key. You need to provide your API key in the Authorization header, using "
    "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Json
    replayed: bool = False


class Gate:
    """Runs operations for requests, each in one transaction of the account's documents."""

    def __init__(self, account: Account, settings: SandboxSettings) -> None:
        self._account = account
        self._secret_key = settings.stripe_secret_key.get_secret_value()
        self._publishable_key = settings.stripe_publishable_key
        self._latency = settings.stripe_latency_ms / 1000
        self._keys = IdempotencyKeys(account.documents)

    async def answer(self, operation: Operation, request: Request) -> Response:
        request_id = new_id("req")
        key = request.headers.get("Idempotency-Key") if operation.method == "POST" else None
        try:
            answer = await self._run(operation, request, request_id, key)
        except StripeError as error:
            answer = Answer(error.status, error.body())
        except Exception:  # noqa: BLE001 - whatever went wrong, a client of Stripe gets Stripe's shape
            _log.exception("%s %s failed", operation.method, operation.path)
            message = "An unexpected error occurred in the sandbox; its log says which."
            answer = Answer(500, StripeError(message, error_type="api_error").body())
        return respond(answer, request, request_id, key)

    async def _run(self, operation: Operation, request: Request, request_id: str, key: str | None) -> Answer:
        parameters = await _parameters(request)
        publishable = self._authenticate(request, parameters, operation)
        call = Call(
            account=self._account.on_behalf_of(request_id, key),
            parameters=parameters,
            path=dict(request.path_params),
            base_url=str(request.base_url).rstrip("/"),
            publishable=publishable,
        )
        if key is None:
            await self._wait(operation)
            return self._execute(operation, call)
        with self._keys.reserved(key):
            kept = self._keys.replay(key, request.url.path, parameters)
            if kept is not None:
                return Answer(kept["status"], kept["body"], replayed=True)
            await self._wait(operation)
            return self._execute(operation, call, (key, request.url.path))

    async def _wait(self, operation: Operation) -> None:
        if operation.method == "POST" and self._latency:
            await asyncio.sleep(self._latency)

    def _execute(self, operation: Operation, call: Call, keep: tuple[str, str] | None = None) -> Answer:
        """Run and keep the answer in one transaction: an effect and the memory of it never part."""
        with self._account.documents.transaction():
            try:
                answer = Answer(200, operation.handle(call))
            except StripeError as error:
                if not error.executed:
                    raise
                answer = Answer(error.status, error.body())
            if keep is not None:
                stored = {"status": answer.status, "body": answer.body}
                self._keys.keep(*keep, call.parameters, stored)
        return answer

    def _authenticate(self, request: Request, parameters: Tree, operation: Operation) -> bool:
        """Whether the caller is a browser with the publishable key. Raises StripeError 401 or 403."""
        key = _key_of(request) or parameters.pop("key", None)
        if not isinstance(key, str) or not key:
            raise StripeError(_NO_KEY, status=401)
        if hmac.compare_digest(key.encode(), self._secret_key.encode()):
            return False
        if not hmac.compare_digest(key.encode(), self._publishable_key.encode()):
            shown = key[:8] + "*" * 8 + key[-4:] if len(key) > 16 else "*" * len(key)  # noqa: PLR2004 - 8 + 4 shown
            raise StripeError(f"Invalid API Key provided: {shown}", status=401)
        if not operation.publishable:
            message = "This API call cannot be made with a publishable API key. Please use a secret API key."
            raise StripeError(message, status=403, code="secret_key_required")
        return True


def respond(answer: Answer, request: Request, request_id: str, key: str | None = None) -> Response:
    headers = {
        "Request-Id": request_id,
        "Stripe-Version": request.headers.get("Stripe-Version", API_VERSION),
    }
    if key is not None:
        headers["Idempotency-Key"] = key
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(answer.body, answer.status, headers)


def _key_of(request: Request) -> str | None:
    """The key of `Bearer` or, as curl sends it, the user of `Basic`."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


async def _parameters(request: Request) -> Tree:
    if request.method == "POST":
        body = await request.body()
        if len(body) > _MAX_BODY:
            raise StripeError("Request body too large.", status=413)
        text = body.decode("utf-8", "replace")
    else:
        text = request.url.query
    try:
        return parse_form(text)
    except MalformedFormError as error:
        raise StripeError(str(error), param=error.name) from None
    except ValueError:
        raise StripeError("Too many parameters.") from None

"""`Idempotency-Key`: a POST repeated with the same key gets the first answer and has no second effect.

The answer is stored in the transaction that has the effect, so there is no moment in which one exists
without the other. A second request with the same key waits on the unique index until the first one has
ended, then finds its answer, or, when the first failed, becomes the first. After
draft-ietf-httpapi-idempotency-key-header.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from sqlalchemy import text

from ..db import Transaction
from ..errors import Invalid
from .identity import caller

#: Headers of the first answer that a replay repeats.
_KEPT_HEADERS = ("content-type", "location", "etag")
_MAX_KEY = 255

_CLAIM = text("""
    insert into idempotency_key (principal, route, key, request_hash, created_at)
    values (:principal, :route, :key, :hash, clock_timestamp())
    on conflict do nothing returning key
""")
_FIND = text("""
    select request_hash, status, headers, body from idempotency_key
    where principal = :principal and route = :route and key = :key
""")
_STORE = text("""
    update idempotency_key set status = :status, headers = cast(:headers as jsonb), body = :body
    where principal = :principal and route = :route and key = :key
""")


class IdempotencyKeyReused(Invalid):
    """The key was used before with another body (E005)."""

    code = "key_reused"
    title = "This Idempotency-Key belongs to another request"


class IdempotencyKeyMalformed(Invalid):
    """The key is empty or over 255 characters."""

    code = "key_malformed"
    title = "The Idempotency-Key is not usable"


def idempotency_key(request: Request) -> str:
    """The request's key; raises `IdempotencyKeyMalformed`."""
    key = request.headers["idempotency-key"].strip()
    if not 0 < len(key) <= _MAX_KEY:
        msg = f"It must have 1 to {_MAX_KEY} characters."
        raise IdempotencyKeyMalformed(msg)
    return key


async def idempotent(
    request: Request, tx: Transaction, route: str, handle: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Handle a request once per (caller, route, key); raises `IdempotencyKeyReused`."""
    body = await request.body()
    # The token changes from minute to minute; the person behind it does not.
    asking = caller(request)
    subject = "anonymous" if asking is None else str(asking.user_id)
    where = {"principal": subject, "route": route, "key": idempotency_key(request)}
    digest = hashlib.sha256(request.url.path.encode() + b"\0" + body).hexdigest()
    claimed = (await tx.session.execute(_CLAIM, where | {"hash": digest})).first()
    if claimed is None:
        return await _replay(tx, where, digest)
    response = await handle(request)
    kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    await tx.session.execute(
        _STORE,
        where | {"status": response.status_code, "headers": json.dumps(kept), "body": bytes(response.body)},
    )
    return response


async def _replay(tx: Transaction, where: dict[str, str], digest: str) -> Response:
    row = (await tx.session.execute(_FIND, where)).one()
    if row.request_hash != digest:
        raise IdempotencyKeyReused("Use a new key for a new request.")
    headers = dict(row.headers) | {"Idempotent-Replayed": "true"}
    return Response(bytes(row.body), row.status, headers)

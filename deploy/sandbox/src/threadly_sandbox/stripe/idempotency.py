"""Idempotency keys: the first answer of a POST is kept for 24 hours and given again.

Source: https://docs.stripe.com/api/idempotent_requests.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

from ..documents import Documents, Json, Where
from .account import now
from .errors import StripeError
from .forms import Tree

KEPT_FOR = 24 * 3600  # seconds
_MAX_LENGTH = 255
_KIND = "idempotency"
_PRUNE_EVERY = 1_000  # pruning reads all keys, too much for every request


class IdempotencyKeys:
    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._running: set[str] = set()
        self._kept = 0

    @contextmanager
    def reserved(self, key: str) -> Iterator[None]:
        """Hold the key while its request runs.

        Raises:
            StripeError: 409 `idempotency_key_in_use` while another request with the key runs.

        """
        if len(key) > _MAX_LENGTH:
            raise StripeError(f"Idempotency keys can be at most {_MAX_LENGTH} characters.")
        if key in self._running:
            raise StripeError(
                f"There is currently another in-progress request using this Idempotent Key: {key}.",
                status=409,
                error_type="idempotency_error",
                code="idempotency_key_in_use",
            )
        self._running.add(key)
        try:
            yield
        finally:
            self._running.discard(key)

    def replay(self, key: str, path: str, parameters: Tree) -> Json | None:
        """The kept answer (`status`, `body`, `request_id`), or None when the request is new.

        Raises:
            StripeError: 400 `idempotency_error` when the key came with another request.

        """
        kept = self._documents.get(_KIND, key)
        if kept is None or kept["created"] <= now() - KEPT_FOR:
            return None
        if kept["fingerprint"] != _fingerprint(path, parameters):
            raise StripeError(
                "Keys for idempotent requests can only be used with the same parameters they were first used "
                f"with. Try using a key other than '{key}' if you meant to execute a different request.",
                error_type="idempotency_error",
            )
        return kept

    def keep(self, key: str, path: str, parameters: Tree, answer: Json) -> None:
        if self._kept % _PRUNE_EVERY == 0:
            self._documents.delete_where(_KIND, Where("created", "<=", now() - KEPT_FOR))
        self._kept += 1
        fingerprint = _fingerprint(path, parameters)
        self._documents.put(_KIND, answer | {"id": key, "created": now(), "fingerprint": fingerprint})


def _fingerprint(path: str, parameters: Tree) -> str:
    return hashlib.sha256(json.dumps([path, parameters], sort_keys=True).encode()).hexdigest()

"""Pusher's signatures: HMAC-SHA256 over requests, subscriptions, sign-ins and webhooks."""

import hashlib
import hmac
import time
from collections.abc import Sequence

_MAX_AGE_SECONDS = 600


class Signer:
    """Signs and verifies with the application's secret."""

    def __init__(self, key: str, secret: str) -> None:
        self.key = key
        self._secret = secret.encode()

    def sign(self, text: str | bytes) -> str:
        raw = text.encode() if isinstance(text, str) else text
        return hmac.new(self._secret, raw, hashlib.sha256).hexdigest()

    def verify_token(self, token: object, text: str) -> bool:
        """Check ``key:signature``, as a client passes it on from the application's server."""
        expected = f"{self.key}:{self.sign(text)}"
        return isinstance(token, str) and hmac.compare_digest(token.encode(), expected.encode())

    def request_fault(
        self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes
    ) -> str | None:
        """Say what is wrong with a request's signature; None when it is good.

        The signature covers the parameters as received, whichever they are: the Python library signs a
        ``body_md5`` of its GETs, the Node library does not.
        """
        values = {name.lower(): value for name, value in query}
        signature = values.pop("auth_signature", "")
        if values.get("auth_key") != self.key:
            return "Unknown auth_key"
        age = _age(values.get("auth_timestamp", ""))
        if age is None or abs(age) > _MAX_AGE_SECONDS:
            return "Timestamp expired: request has an auth_timestamp outside 600s of the server's time"
        if body and values.get("body_md5") != hashlib.md5(body, usedforsecurity=False).hexdigest():
            return "Invalid body_md5"
        joined = "&".join(f"{name}={value}" for name, value in sorted(values.items()))
        expected = self.sign(f"{method}\n{path}\n{joined}")
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return (
                "Invalid signature: you should have sent HmacSHA256Hex over the method, path and parameters"
            )
        return None


def _age(timestamp: str) -> float | None:
    try:
        return time.time() - int(timestamp)
    except ValueError:
        return None

"""The `Stripe-Signature` header, written from its description, not with the SDK that will check it.

Source: https://docs.stripe.com/webhooks#verify-manually.
"""

import hashlib
import hmac
from datetime import datetime


def sign(secret: str, message_id: str, body: bytes, now: datetime) -> dict[str, str]:  # noqa: ARG001 - a Signer
    """The key is the secret as text, `whsec_` included; the signed text is `<seconds>.<raw body>`."""
    moment = int(now.timestamp())
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={moment},v1={digest}"}

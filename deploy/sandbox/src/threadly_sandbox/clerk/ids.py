"""Ids, times and Svix' signature, as Clerk writes them."""

import base64
import hashlib
import hmac
import secrets
import string
import time
from datetime import datetime

_LETTERS = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    return f"{prefix}_{''.join(secrets.choice(_LETTERS) for _ in range(27))}"


def now_ms() -> int:
    """Clerk's times are Unix milliseconds."""
    return time.time_ns() // 1_000_000


def sign(secret: str, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """Svix' headers. The key is what stands in base64 after `whsec_`; signed is `id.seconds.body`.

    Source: https://docs.svix.com/receiving/verifying-payloads/how-manual.
    """
    moment = int(now.timestamp())
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{moment}.".encode() + body, hashlib.sha256).digest()
    return {
        "svix-id": message_id,
        "svix-timestamp": str(moment),
        "svix-signature": f"v1,{base64.b64encode(digest).decode()}",
    }

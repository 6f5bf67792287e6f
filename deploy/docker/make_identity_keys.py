# ruff: noqa: INP001 - a script of the image, in no package
"""Makes the key pair for identity tokens, once per installation, for docker compose.

The private half is mounted into auth only, the public half into every service. Keys given by the
environment (``THREADLY_AUTH_IDENTITY_PRIVATE_KEY``) make this needless.
"""

import base64
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PRIVATE = Path("/var/lib/threadly/identity/keys.env")
PUBLIC = Path("/var/lib/threadly/public/keys.env")


def encoded(raw: bytes) -> str:
    """Return base64url without padding, as the services read it."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


if not PRIVATE.exists() or not PUBLIC.exists():
    key = Ed25519PrivateKey.generate()
    PUBLIC.write_text(
        f"THREADLY_IDENTITY_PUBLIC_KEYS={encoded(key.public_key().public_bytes_raw())}\n", encoding="utf-8"
    )
    PRIVATE.touch(mode=0o600)
    PRIVATE.write_text(
        f"THREADLY_AUTH_IDENTITY_PRIVATE_KEY={encoded(key.private_bytes_raw())}\n", encoding="utf-8"
    )

"""Tokens for tests: signed like auth's, with a key pair of the test's own."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ..http.identity import IdentitySigner, Principal
from ..ids import new_id


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class TestIdentity:
    """A key pair, and the tokens it signs."""

    __test__ = False

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    @cached_property
    def private_key(self) -> str:
        """For the setting `identity_private_key`."""
        return _encode(self._key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))

    @cached_property
    def public_key(self) -> str:
        """For the setting `identity_public_keys`."""
        return _encode(self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def token(self, principal: Principal, *, age: timedelta = timedelta()) -> str:
        """A token that was issued `age` ago and lives for a minute."""
        signer = IdentitySigner(self.private_key)
        return signer.sign(principal, now=datetime.now(UTC) - age, lifetime=timedelta(minutes=1))

    def headers(self, principal: Principal) -> dict[str, str]:
        """The header with which `principal` calls a service."""
        return {"Authorization": f"Bearer {self.token(principal)}"}


def somebody(name: str = "Ada", *roles: str) -> Principal:
    """A principal with a new id."""
    return Principal(new_id(), frozenset({"member", *roles}), name)

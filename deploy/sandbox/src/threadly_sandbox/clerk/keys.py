"""The instance's RSA keys: the newest signs, older ones stay in the key set until they are retired."""

import base64
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from ..documents import Documents, Json
from .ids import new_id

_KIND = "signing_key"
_BITS = 2048


class SigningKeys:
    """Kept with the documents, so that tokens stay valid over a restart."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._current: tuple[str, RSAPrivateKey] | None = None
        self._set: list[Json] = []
        if not documents.find(_KIND, limit=1):
            self.rotate()
        self._load()

    def rotate(self) -> str:
        """Sign with a new key from now on; returns its id. The old key still verifies."""
        pem = generate_private_key(65537, _BITS).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        key_id = new_id("ins")
        self._documents.put(_KIND, {"id": key_id, "pem": pem.decode()})
        self._load()
        return key_id

    def retire_old(self) -> None:
        """Forget every key but the signing one: their tokens are worthless from now on."""
        for stored in self._documents.find(_KIND)[1:]:
            self._documents.delete(_KIND, stored["id"])
        self._load()

    def sign(self, claims: dict[str, Any]) -> str:
        if self._current is None:
            msg = "no signing key"
            raise RuntimeError(msg)
        key_id, private = self._current
        return jwt.encode(
            claims, private, algorithm="RS256", headers={"kid": key_id, "cat": "cl_B7d4PD111AAA"}
        )

    def key_set(self) -> Json:
        """The public halves as a JSON Web Key Set (RFC 7517)."""
        return {"keys": self._set}

    def _load(self) -> None:
        stored = self._documents.find(_KIND)
        pairs = [(each["id"], _private(each["pem"])) for each in stored]
        self._current = pairs[0]
        self._set = [_public_jwk(key_id, private) for key_id, private in pairs]


def _private(pem: str) -> RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(key, RSAPrivateKey):
        msg = "the stored signing key is no RSA key"
        raise TypeError(msg)
    return key


def _public_jwk(key_id: str, private: RSAPrivateKey) -> Json:
    numbers = private.public_key().public_numbers()
    return {
        "use": "sig",
        "kty": "RSA",
        "kid": key_id,
        "alg": "RS256",
        "n": _base64url(numbers.n),
        "e": _base64url(numbers.e),
    }


def _base64url(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

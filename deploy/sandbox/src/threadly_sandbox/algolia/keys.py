"""API keys: what each may do, and secured keys, which carry signed restrictions inside themselves."""

import base64
import binascii
import hashlib
import hmac
import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl

from .errors import AlgoliaError

SEARCH_ONLY_KEY = "sandbox-search"
ALL_ACLS = (
    "search",
    "browse",
    "addObject",
    "deleteObject",
    "deleteIndex",
    "settings",
    "editSettings",
    "listIndexes",
    "admin",
)
_SIGNATURE_LENGTH = 64  # hex SHA-256
_DENIED = "Method not allowed with this API key"
_UNKNOWN = "Invalid Application-ID or API key"


@dataclass(frozen=True)
class Grant:
    """What a request may do: its key's rights and, from a secured key, what is forced upon it."""

    acl: frozenset[str]
    indexes: tuple[str, ...] = ()
    forced: dict[str, str] = field(default_factory=dict)

    def check(self, right: str, index: str | None) -> None:
        """Raise 403 without the right, or outside the indexes the key is limited to."""
        if right not in self.acl:
            raise AlgoliaError(403, _DENIED)
        if index is not None and self.indexes and not any(fnmatchcase(index, one) for one in self.indexes):
            raise AlgoliaError(403, "Index not allowed with this API key")


def grant(application: str | None, key: str | None, expected: str, known: dict[str, dict[str, Any]]) -> Grant:
    """Judge a request's credentials; 403 in Algolia's words when they are wrong.

    ``known`` maps each key to its body (``acl``, ``indexes``).
    """
    if not key or application is None or not hmac.compare_digest(application.encode(), expected.encode()):
        raise AlgoliaError(403, _UNKNOWN)
    body = known.get(key)
    if body is not None:
        return Grant(frozenset(body["acl"]), tuple(body.get("indexes") or ()))
    return _secured(key, known)


def _secured(key: str, known: dict[str, dict[str, Any]]) -> Grant:
    try:
        decoded = base64.b64decode(key, validate=True).decode()
    except (binascii.Error, ValueError):
        raise AlgoliaError(403, _UNKNOWN) from None
    signature, query = decoded[:_SIGNATURE_LENGTH], decoded[_SIGNATURE_LENGTH:]
    parent = next((value for value in known if _signed_by(value, signature, query)), None)
    if parent is None or "admin" in known[parent]["acl"]:  # an admin key signs no secured key
        raise AlgoliaError(403, _UNKNOWN)
    restrictions = dict(parse_qsl(query))
    if "validUntil" in restrictions and int(restrictions["validUntil"]) < time.time():
        raise AlgoliaError(403, "The API key has expired")
    indexes = restrictions.pop("restrictIndices", "")
    allowed = tuple(indexes.split(",")) if indexes else tuple(known[parent].get("indexes") or ())
    return Grant(frozenset(known[parent]["acl"]) & {"search", "browse"}, allowed, restrictions)


def _signed_by(parent: str, signature: str, query: str) -> bool:
    expected = hmac.new(parent.encode(), query.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())

"""Entity tags: `"<version>"`, and `"<version>.<hash>"` where the answer holds more than the thing itself.

Both begin with the version, so either of them serves in `If-Match` (RFC 9110 §8.8.3, §13.1).
"""

import hashlib
import re
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request, Response

from threadly_chassis.errors import PreconditionRequired

_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_HASH_BYTES = 8


def etag(version: int, expanded: bytes = b"") -> str:
    """The tag of an answer; `expanded` is its body when relations of other versions are part of it."""
    if not expanded:
        return f'"{version}"'
    digest = hashlib.blake2b(expanded, digest_size=_HASH_BYTES).hexdigest()
    return f'"{version}.{digest}"'


class Versions:
    """What the client says of versions, and what it is told."""

    def __init__(self, request: Request, response: Response) -> None:
        self._if_match = request.headers.get("if-match", "").strip()
        self._if_none_match = request.headers.get("if-none-match", "").strip()
        self._response = response

    def knows(self, tag: str) -> bool:
        """Whether the client has the answer with this tag already (`If-None-Match`)."""
        return self._if_none_match == "*" or tag.strip('"') in _TAG.findall(self._if_none_match)

    def check(self, *, required: bool) -> Callable[[int], bool]:
        """Whether a version is among those that `If-Match` names; `*` is any.

        Raises `PreconditionRequired` without the header when it is required.
        """
        if not self._if_match and required:
            raise PreconditionRequired("Send If-Match with the ETag of what you saw.")
        if self._if_match in {"", "*"}:
            return lambda _: True
        named = {tag.partition(".")[0] for tag in _TAG.findall(self._if_match)}
        return lambda version: str(version) in named

    def tell(self, version: int) -> None:
        """Name the version that the answer shows."""
        self._response.headers["ETag"] = etag(version)


async def _versions(request: Request, response: Response) -> Versions:
    return Versions(request, response)


Versioned = Annotated[Versions, Depends(_versions)]

"""Entity tags: `"<version>"`, and `"<version>.<hash>"` where the answer holds more than the thing itself.

Both begin with the version, so either of them serves in `If-Match` (RFC 9110 §8.8.3, §13.1).
"""

import hashlib
import re
from collections.abc import Callable

from fastapi import Request

from ..domain.errors import VersionMissing

_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_HASH_BYTES = 8


def etag(version: int, expanded: bytes = b"") -> str:
    """The tag of an answer; `expanded` is its body when relations of other versions are part of it."""
    if not expanded:
        return f'"{version}"'
    digest = hashlib.blake2b(expanded, digest_size=_HASH_BYTES).hexdigest()
    return f'"{version}.{digest}"'


def is_known(request: Request, tag: str) -> bool:
    """Whether the client says that it has this answer already."""
    given = request.headers.get("if-none-match", "")
    return given.strip() == "*" or tag.strip('"') in _TAG.findall(given)


def version_check(request: Request, *, required: bool) -> Callable[[int], bool]:
    """Whether a version is among those that `If-Match` names.

    Raises `VersionMissing` without the header when it is required; `*` is any version.
    """
    given = request.headers.get("if-match", "").strip()
    if not given:
        if required:
            raise VersionMissing("Send If-Match with the ETag of what you saw.")
        return lambda _: True
    if given == "*":
        return lambda _: True
    versions = {tag.partition(".")[0] for tag in _TAG.findall(given)}
    return lambda version: str(version) in versions

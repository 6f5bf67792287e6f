"""Keyset cursors: opaque, signed, and worth as much on page 10,000 as on page 1."""

import base64
import hashlib
import hmac
import json
from datetime import datetime
from uuid import UUID

from ..errors import Invalid

_SIGNATURE_BYTES = 16


class CursorMalformed(Invalid):
    """A cursor that this API did not hand out for this list."""

    code = "cursor_malformed"
    title = "This cursor does not belong to this list"


class Cursors:
    """Makes and reads the cursors of one list; `secret` is the setting `cursor_secret`, `name` the list's."""

    def __init__(self, secret: str, name: str) -> None:
        self._key = hashlib.sha256(f"{name}\0{secret}".encode()).digest()

    def encode(self, *position: str | int | datetime | UUID) -> str:
        """Write a position down."""
        parts = [part.isoformat() if isinstance(part, datetime) else str(part) for part in position]
        body = json.dumps(parts, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._sign(body) + body).decode().rstrip("=")

    def decode(self, cursor: str, *, parts: int) -> list[str]:
        """Read a position of so many parts; raises `CursorMalformed` for anything that was not made here."""
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            body = raw[_SIGNATURE_BYTES:]
            genuine = hmac.compare_digest(raw[:_SIGNATURE_BYTES], self._sign(body))
            position: list[str] = json.loads(body) if genuine else []
        except ValueError:
            position = []
        if len(position) != parts:
            raise CursorMalformed("Start again from the first page.")
        return position

    def after_row(self, cursor: str | None) -> tuple[datetime, UUID] | None:
        """Read the usual position, (created_at, id); None when there is no cursor."""
        if cursor is None:
            return None
        created_at, row_id = self.decode(cursor, parts=2)
        return datetime.fromisoformat(created_at), UUID(row_id)

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_SIGNATURE_BYTES]

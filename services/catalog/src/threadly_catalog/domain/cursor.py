"""Where a page of a list ended: opaque to clients, signed, and bound to the list it came from."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from .errors import CursorInvalid

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIME_BYTES, _ID_BYTES, _MAC_BYTES = 8, 16, 16


@dataclass(frozen=True, slots=True)
class Position:
    """The last item of a page, newest first; the id decides between items of one microsecond."""

    created_at: datetime
    product_id: UUID


@dataclass(frozen=True, slots=True)
class Cursors:
    """Writes and reads the cursors of one list; `scope` describes its filters."""

    key: bytes
    scope: str

    def write(self, position: Position) -> str:
        """The cursor that continues after `position`."""
        moment = (position.created_at - _EPOCH) // _MICROSECOND
        body = moment.to_bytes(_TIME_BYTES, "big") + position.product_id.bytes
        return base64.urlsafe_b64encode(body + self._mac(body)).decode().rstrip("=")

    def read(self, cursor: str) -> Position:
        """Where a cursor points; raises `CursorInvalid` unless it was written here, for this list."""
        try:
            raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except (UnicodeEncodeError, binascii.Error):
            raise CursorInvalid from None
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(body) != _TIME_BYTES + _ID_BYTES or not hmac.compare_digest(mac, self._mac(body)):
            raise CursorInvalid
        moment = _EPOCH + int.from_bytes(body[:_TIME_BYTES], "big") * _MICROSECOND
        return Position(moment, UUID(bytes=body[_TIME_BYTES:]))

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self.key, self.scope.encode() + b"\0" + body, hashlib.sha256)[:_MAC_BYTES]

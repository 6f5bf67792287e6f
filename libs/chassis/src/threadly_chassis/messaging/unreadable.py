"""Headers that the AMQP library cannot read: names that are not UTF-8, times after the year 9999.

A broker passes on whatever a stranger's tool has written. The library gives the whole connection up over it,
the broker delivers again, and so all consumers of a worker go round in a circle, for as many turns as the
queue's delivery limit allows. Read as a message with one header that says so, it is a dead letter.
"""

import struct
from typing import Final

import pamqp.frame
from pamqp import commands as spec
from pamqp.header import ContentHeader

from . import headers as h

#: Bytes of the original header that a dead letter shows.
_SHOWN: Final = 4096
_start = struct.Struct(">HHQ").unpack_from
_strictly = pamqp.frame._unmarshal_header_frame  # noqa: SLF001 - the library has no other place for this


def _forgiving(frame_data: bytes) -> ContentHeader:
    try:
        return _strictly(frame_data)
    except Exception as error:  # noqa: BLE001 - whatever the library makes of a stranger's bytes
        _, weight, body_size = _start(frame_data)
        said = {h.UNREADABLE: str(error)[:500], h.UNREADABLE_BYTES: frame_data[12 : 12 + _SHOWN].hex()}
        return ContentHeader(weight, body_size, spec.Basic.Properties(headers={**said}))


def read_strangers_headers() -> None:
    """Let every connection of this process survive headers that it cannot read; may be called again."""
    pamqp.frame._unmarshal_header_frame = _forgiving  # noqa: SLF001 - as above

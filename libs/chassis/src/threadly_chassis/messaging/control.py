"""Messages that one service's worker asks another's: over `t.control`, at most once."""

from pamqp import commands as spec

from ..ids import new_id
from .publisher import Outgoing
from .topology import CONTROL_EXCHANGE, resend_key


def control_message(service: str, kind: str, body: str) -> Outgoing:
    """A question or an answer in JSON for the service's `resend` queue; its kind is the message's type."""
    properties = spec.Basic.Properties(
        message_id=str(new_id()), message_type=kind, content_type="application/json"
    )
    return Outgoing(CONTROL_EXCHANGE, resend_key(service), properties, body.encode())

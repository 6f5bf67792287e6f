"""The outbox: events are appended in the business transaction and relayed to the broker after it.

`append` is the writing half and knows no broker (`db.commit` sends what it prepares); `relay` is the sending
half; `notifier` wakes it.
"""

from .append import Append, Call, EventTooLarge, prepare_append
from .notifier import outbox_wakeup

__all__ = ["Append", "Call", "EventTooLarge", "outbox_wakeup", "prepare_append"]

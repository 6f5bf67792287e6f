"""The outbox: events are appended in the business transaction and relayed to the broker after it.

`append` is the writing half and knows no broker; `relay` is the sending half; `notifier` wakes it.
"""

from .append import EventTooLarge, append, cancel
from .notifier import outbox_wakeup

__all__ = ["EventTooLarge", "append", "cancel", "outbox_wakeup"]

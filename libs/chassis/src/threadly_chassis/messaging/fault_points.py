"""Named places where a test makes a process die: `THREADLY_FAULT=relay.after_publish:exit`.

`…:exit@3` dies at the third passing. Dying is `SIGKILL`: no handler, no `finally`, no flush.
"""

import os
import signal
from collections import Counter
from typing import Final

CONSUMER_BEFORE_COMMIT: Final = "consumer.before_commit"
CONSUMER_AFTER_COMMIT: Final = "consumer.after_commit"
CONSUMER_AFTER_REPUBLISH: Final = "consumer.after_republish"
#: A failed event of a strict stream was republished; that it holds the stream up is not committed yet.
STREAM_BEFORE_BLOCK: Final = "stream.before_block"
#: A parked event was committed as begun; its handler has not run yet.
STREAM_BEFORE_PARKED: Final = "stream.before_parked"
RELAY_BEFORE_PUBLISH: Final = "relay.before_publish"
#: The bytes are with the kernel and no confirm has been looked at.
PUBLISHER_AFTER_WRITE: Final = "relay.after_publish"
RELAY_AFTER_CONFIRMS: Final = "relay.after_confirms"

_place, _, _how = os.environ.get("THREADLY_FAULT", "").partition(":")
_passings: Counter[str] = Counter()


def fault_point(place: str) -> None:
    """Die here when the environment says so; in production it never does."""
    if place != _place:
        return
    _passings[place] += 1
    if _passings[place] >= int(_how.partition("@")[2] or 1):
        os.kill(os.getpid(), signal.SIGKILL)

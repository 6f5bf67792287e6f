"""What the card networks do some time after the request: disputes arrive, refunds settle or bounce."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ..documents import Documents, Json
from .ids import new_id

_KIND = "timer"

Action = Callable[[Json], None]


class Timers:
    """Delayed actions that survive a restart; each runs in a transaction of its own, once."""

    def __init__(self, documents: Documents, delay: float) -> None:
        self._documents = documents
        self._delay = delay
        self._actions: dict[str, Action] = {}
        self._handles: dict[str, asyncio.TimerHandle] = {}
        self._running = False

    def on(self, name: str, action: Action) -> None:
        self._actions[name] = action

    def start(self, name: str, subject: Json) -> None:
        """Run the action `name` with `subject` after the delay, once the open transaction is kept."""
        timer = {"id": new_id("timer"), "name": name, "subject": subject}
        self._documents.put(_KIND, timer)
        self._documents.after_commit(lambda: self._arm(timer))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._running = True
        for timer in reversed(self._documents.find(_KIND)):
            self._arm(timer)
        yield
        self._running = False
        for handle in self._handles.values():
            handle.cancel()

    def _arm(self, timer: Json) -> None:
        if self._running:
            loop = asyncio.get_running_loop()
            self._handles[timer["id"]] = loop.call_later(self._delay, self._fire, timer)

    def _fire(self, timer: Json) -> None:
        del self._handles[timer["id"]]
        with self._documents.transaction():
            self._documents.delete(_KIND, timer["id"])
            self._actions[timer["name"]](timer["subject"])

"""Delivering signed webhooks the way the providers do: at least once, in no promised order, until a 2xx."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, Field

from .documents import Documents, Json, Where
from .journal import Journal

_log = logging.getLogger(__name__)

_KIND = "deliveries"
_ANSWER_TIMEOUT = 15.0  # seconds; what Svix grants a receiver
_CONCURRENCY = 16

Signer = Callable[[str, str, bytes, datetime], dict[str, str]]
"""(secret, message id, body, now) -> the headers that prove who sent it."""


class Plan(BaseModel):
    """What a test wants to go wrong; a new plan replaces the old one, `{}` ends all trouble."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    duplicate: int = Field(0, ge=0, le=50)
    """So many extra copies of every delivery, sent at the same moment."""
    delay_ms: int = Field(0, ge=0, le=600_000)
    """Each first attempt waits so long."""
    reorder: int = Field(0, ge=0, le=1_000)
    """Gather so many deliveries (or all that come within `reorder_window_ms`), send them newest first."""
    reorder_window_ms: int = Field(1_000, ge=1, le=600_000)
    drop: int = Field(0, ge=0)
    """The next so many deliveries are lost for ever; only reading the provider's events finds them."""


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """Pauses in seconds between attempts: `first`, doubling up to `longest`, at most `attempts` attempts.

    The providers wait minutes and hours; here the services may only be restarting, so the pauses are
    short, and 400 attempts of up to 10 s keep trying for more than an hour.
    """

    first: float = 0.5
    longest: float = 10.0
    attempts: int = 400

    def pause_after(self, attempt: int) -> float:
        return float(min(self.longest, self.first * 2 ** min(attempt - 1, 16)))


class Courier:
    """Keeps what must be delivered in the provider's documents and delivers it from the event loop."""

    def __init__(
        self,
        provider: str,
        *,
        documents: Documents,
        journal: Journal,
        sign: Signer,
        schedule: RetrySchedule | None = None,
        on_delivered: Callable[[str], None] = lambda _message_id: None,
    ) -> None:
        self._provider = provider
        self._documents = documents
        self._journal = journal
        self._sign = sign
        self._schedule = schedule or RetrySchedule()
        self._on_delivered = on_delivered
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[Json] = []
        # Not the client's own pool: it compares every waiting request with every connection each time.
        self._slots = asyncio.Semaphore(_CONCURRENCY)
        self._client: httpx.AsyncClient | None = None
        self._dropped = self._delivered = self._refused = 0
        self.plan = Plan()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver while the block runs, starting with what an earlier process left undelivered."""
        async with httpx.AsyncClient(timeout=_ANSWER_TIMEOUT, trust_env=False) as self._client:
            for delivery in reversed(self._documents.find(_KIND)):
                self._spawn(self._deliver(delivery))
            try:
                yield
            finally:
                await self._stop()

    def post(self, *, message_id: str, endpoint: Json, body: bytes, label: str) -> None:
        """Deliver `body` to `endpoint` (`id`, `url`, `secret`) once the open transaction is kept."""
        delivery = {
            "id": f"{message_id}:{endpoint['id']}",
            "message_id": message_id,
            "endpoint": endpoint["id"],
            "url": endpoint["url"],
            "secret": endpoint["secret"],
            "body": body.decode(),
            "label": label,
        }
        self._documents.put(_KIND, delivery)
        self._documents.after_commit(lambda: self._dispatch(delivery))

    def forget_endpoint(self, endpoint_id: str) -> None:
        """Give up what is still on its way to a deleted endpoint."""
        self._documents.delete_where(_KIND, Where("endpoint", "=", endpoint_id))

    def status(self) -> Json:
        return {
            "plan": self.plan.model_dump(),
            "undelivered": len(self._documents.find(_KIND)),
            "held_for_reorder": len(self._held),
            "delivered": self._delivered,
            "refused_attempts": self._refused,
            "dropped": self._dropped,
        }

    def _dispatch(self, delivery: Json) -> None:
        if self._client is None:
            return  # not running yet: `running` starts with everything undelivered
        if self.plan.drop:
            self.plan = self.plan.model_copy(update={"drop": self.plan.drop - 1})
            self._dropped += 1
            self._documents.delete(_KIND, delivery["id"])
            self._record(delivery, "dropped on request")
        elif self.plan.reorder:
            self._hold(delivery)
        else:
            for _ in range(1 + self.plan.duplicate):
                self._spawn(self._deliver(delivery, self.plan.delay_ms / 1000))

    def _hold(self, delivery: Json) -> None:
        self._held.append(delivery)
        if len(self._held) >= self.plan.reorder:
            self._release()
        elif len(self._held) == 1:
            asyncio.get_running_loop().call_later(self.plan.reorder_window_ms / 1000, self._release)

    def _release(self) -> None:
        batch, self._held = self._held[::-1], []
        self._spawn(self._deliver_in_turn(batch, copies=1 + self.plan.duplicate))

    async def _deliver_in_turn(self, batch: list[Json], copies: int) -> None:
        await asyncio.sleep(self.plan.delay_ms / 1000)
        for delivery in batch * copies:
            if not await self._attempt(delivery, 1):
                self._spawn(self._deliver(delivery, self._schedule.first))

    async def _deliver(self, delivery: Json, delay: float = 0.0) -> None:
        await asyncio.sleep(delay)
        for attempt in count(1):
            if await self._attempt(delivery, attempt):
                return
            if attempt >= self._schedule.attempts:
                self._documents.delete(_KIND, delivery["id"])
                self._record(delivery, f"given up after {attempt} attempts")
                return
            await asyncio.sleep(self._schedule.pause_after(attempt))
            if self._documents.get(_KIND, delivery["id"]) is None:
                return  # a copy got through, or the endpoint is gone

    async def _attempt(self, delivery: Json, attempt: int) -> bool:
        """Send once; a 2xx is the only success, a redirect is a failure like any other."""
        answer = await self._send(delivery)
        if not answer.startswith("2"):
            self._refused += 1
            if attempt == 1:  # the page shows the trouble once, not each of 400 attempts
                self._record(delivery, f"attempt 1: {answer}; will retry")
            return False
        self._delivered += 1
        if self._documents.get(_KIND, delivery["id"]) is not None:
            self._documents.delete(_KIND, delivery["id"])
            self._on_delivered(delivery["message_id"])
        self._record(delivery, f"delivered ({answer}, attempt {attempt})")
        return True

    async def _send(self, delivery: Json) -> str:
        """The answer's status code, or the name of what went wrong."""
        if self._client is None:
            return "not running"
        body = delivery["body"].encode()
        headers = {"Content-Type": "application/json", "User-Agent": f"Threadly-Sandbox/{self._provider}"}
        async with self._slots:  # signed only now: a signature that waited in line could be too old
            proof = self._sign(delivery["secret"], delivery["message_id"], body, datetime.now(UTC))
            try:
                response = await self._client.post(delivery["url"], content=body, headers=headers | proof)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return type(error).__name__
        return str(response.status_code)

    def _record(self, delivery: Json, outcome: str) -> None:
        detail = {key: delivery[key] for key in ("message_id", "url", "label")} | {"outcome": outcome}
        self._journal.add("webhook", f"{self._provider} {delivery['label']}: {outcome}", detail)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("delivering a %s webhook failed", self._provider, exc_info=error)

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._client = None

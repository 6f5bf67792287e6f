"""What tests of strict streams ask of the specimen and do to it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aio_pika.abc import AbstractIncomingMessage
from pamqp import commands as spec

from threadly_contracts.operations import DeadLetterDiscarded

from ...ids import new_id
from ...messaging import headers as h
from ...messaging.gathering import replay, stored
from ...messaging.publisher import Outgoing
from ...tasks import end_tasks
from ...worker import Worker
from ..probes import eventually
from .harness import Specimen
from .strict import CURES, ORDERED, STRICT


@dataclass(frozen=True)
class Ordered:
    """The specimen seen through its strict reader."""

    specimen: Specimen

    def with_settings(self, **settings: Any) -> "Ordered":
        """The same servers under other settings."""
        changed = self.specimen.settings.model_copy(update=settings)
        return Ordered(replace(self.specimen, settings=changed))

    def working(self) -> AbstractAsyncContextManager[Worker]:
        """Run a worker in this process."""
        return self.specimen.working(STRICT)

    async def write(self, note: str, *says: str) -> None:
        """Write versions of one note."""
        for word in says:
            await self.specimen.write(note, says=word)

    @asynccontextmanager
    async def only_relaying(self) -> AsyncIterator[None]:
        """Send what is appended, with nobody reading."""
        worker = self.specimen.worker(STRICT)
        relaying = asyncio.create_task(worker.relay.run())
        try:
            yield
        finally:
            await end_tasks(relaying)
            await worker._relaying.close()  # noqa: SLF001 - a worker that was never entered

    async def sent(self, count: int) -> list[AbstractIncomingMessage]:
        """Let the relay send, and take what the reader would have got, in order."""

        async def there() -> bool:
            return await self.specimen.depth(ORDERED) == count

        async with self.only_relaying():
            await eventually(there, describe=f"{count} messages for the reader")
        return await self.specimen.take(ORDERED)

    async def deliver(
        self,
        *messages: AbstractIncomingMessage,
        body: bytes | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> None:
        """Put messages into the reader's queue, in this order, changed on the way."""
        for message in messages:
            await self.specimen.publish(_copy(message, headers or {}, body))

    async def versions(self, note: str) -> list[int]:
        """The versions of a note in the order of their application."""
        return [version for name, version in await self.specimen.effects(ORDERED) if name == note]

    async def applied(self, note: str, *versions: int, seconds: float = 30.0) -> None:
        """Wait until exactly these versions of a note have been applied, in this order."""

        async def there() -> bool:
            return await self.versions(note) == list(versions)

        try:
            await eventually(there, timeout=seconds, describe=f"{note} at {versions[-1:]}")
        except AssertionError as error:
            raise AssertionError(f"{error}; applied: {await self.versions(note)}") from error

    async def stream(self, note: str) -> tuple[int, UUID | None, int]:
        """Where the reader stands in a note: version, what it is held up by, how much is parked."""
        rows = await self.specimen.query(
            "select version, blocked_by, parked from inbox_stream where consumer = :c and agg_id = :n",
            c=ORDERED,
            n=note,
        )
        version, blocked_by, parked = rows[0] if rows else (0, None, 0)
        return version, blocked_by, parked

    async def parked(self, note: str, count: int) -> None:
        """Wait until so many events of a note are parked, by the counter and by the table."""

        async def there() -> bool:
            rows = await self.specimen.query("select count(*) from inbox_parked where agg_id = :n", n=note)
            return bool((await self.stream(note))[2] == rows[0][0] == count)

        await eventually(there, describe=f"{count} parked of {note}")

    async def dead(self, count: int = 1) -> list[AbstractIncomingMessage]:
        """Wait for so many dead letters and take them."""

        async def there() -> bool:
            return await self.specimen.depth(f"{ORDERED}.dlq") == count

        await eventually(there, describe=f"{count} dead letters")
        return await self.specimen.take(f"{ORDERED}.dlq")

    async def replay(self, *letters: AbstractIncomingMessage) -> None:
        """Send dead letters back, as an operator does."""
        for letter in letters:
            await self.specimen.publish(replay(stored(letter), consumer=ORDERED, replay_id=new_id()))

    async def discard(self, letter: AbstractIncomingMessage) -> None:
        """Give a dead letter up, as an operator does."""
        discarded = DeadLetterDiscarded(
            event_id=UUID(str(letter.headers[h.CE_ID])), consumer=ORDERED, discarded_at=datetime.now(UTC)
        )
        async with self.specimen.db.transaction() as tx:
            await tx.publish(discarded, version=1)

    async def lasting(self, seconds: float) -> None:
        """Let a fault last: its length is what is being tested."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.Event().wait()

    async def cure(self, name: str) -> None:
        """Make what `needs <name>` succeed from now on."""
        await self.specimen.execute(
            "insert into effect (consumer, event_id, note_id, version, text, attempt) "
            "values (:cures, :id, :name, 1, '', 1)",
            cures=CURES,
            id=new_id(),
            name=name,
        )

    async def resolved(self) -> Sequence[str]:
        """The ids of the events whose replay the reader has said to be applied."""
        rows = await self.specimen.query(
            "select agg_id from outbox_event where event_type like '%dead_letter_resolved.v1' order by id"
        )
        return [row[0] for row in rows]


def _copy(message: AbstractIncomingMessage, headers: Mapping[str, Any], body: bytes | None) -> Outgoing:
    properties = spec.Basic.Properties(
        message_id=message.message_id, delivery_mode=2, headers=dict(message.headers) | dict(headers)
    )
    return Outgoing("", ORDERED, properties, message.body if body is None else body)

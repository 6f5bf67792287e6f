"""Send back what operators decided to replay, each replay at its own rate."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from threadly_chassis.messaging.gathering import StoredMessage, replay
from threadly_chassis.messaging.publisher import Confirmation, Outgoing, Publisher, Unencodable
from threadly_chassis.observability.logging import get_logger

from ..dependencies import OperationsDeps
from ..domain.pace import REST
from ..storage import replays
from ..storage.tables import DeadLetterRow
from .take_turn import take_turn

_log = get_logger(__name__)

Wave = list[tuple[UUID, Outgoing]]

#: Seconds of one run: a replay that is decided meanwhile starts with the next one.
RUN_SECONDS = 1.0
#: Replays that have turns beside each other; more wait for the next run. Each holds a connection to the
#: database while the broker confirms.
TOGETHER = 6


async def send_replays(deps: OperationsDeps) -> None:
    """Send what is due to the queues of the consumers that failed, until nothing is or the run is over.

    Several senders may do this at once: a replay's turns are taken from its row, and a letter goes out under
    its own row's lock. A crash between the confirm and the mark sends some twice; the consumer's inbox
    applies them once. A replay that cannot be sent is no other's trouble; its error is raised in the end.
    """
    end = asyncio.get_running_loop().time() + RUN_SECONDS
    async with deps.db.read() as session:
        running = await replays.running(session, TOGETHER)
    ends = await asyncio.gather(
        *(_take_turns(deps, replay_id, end) for replay_id in running), return_exceptions=True
    )
    for error in ends:
        if error is not None:
            raise error


async def _take_turns(deps: OperationsDeps, replay_id: UUID, end: float) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        async with deps.db.transaction() as tx:
            turn = await take_turn(tx, replay_id)
        if turn is None:
            return
        letters, seconds = turn
        next_at = clock() + seconds
        if letters and not await _send(deps, replay_id, letters):
            return
        if next_at > end:
            return
        await asyncio.sleep(next_at - clock())


async def _send(deps: OperationsDeps, replay_id: UUID, count: int) -> bool:
    """Publish so many letters and mark those that the broker confirmed; False when it did not take some."""
    async with deps.db.transaction() as tx:
        rows = await replays.claim_unsent(tx.session, replay_id, count)
        sent = await _publish(deps.publisher, rows, replay_id)
        refused = {row.id for row in rows} - sent
        if sent:
            await replays.mark_sent(tx.session, replay_id, sent)
        if refused:
            await replays.mark_refused(tx.session, replay_id, refused)
    if refused:
        _log.warning("replay not confirmed", replay_id=str(replay_id), letters=len(refused))
        # Not in the transaction above: whoever stops a replay locks it before its letters.
        async with deps.db.transaction() as tx:
            await replays.rest(tx.session, replay_id, REST)
    return not refused


async def _publish(publisher: Publisher, rows: Sequence[DeadLetterRow], replay_id: UUID) -> set[UUID]:
    """The ids of the letters that the broker has confirmed."""
    sent: set[UUID] = set()
    for wave in _waves((row.id, _as_message(row, replay_id)) for row in rows):
        sent |= await _publish_wave(publisher, wave)
    return sent


def _as_message(row: DeadLetterRow, replay_id: UUID) -> Outgoing:
    stored = StoredMessage(row.properties, row.headers, row.body)
    return replay(stored, consumer=row.consumer, replay_id=replay_id)


async def _publish_wave(publisher: Publisher, wave: Wave) -> set[UUID]:
    if not wave:
        return set()
    try:
        outcomes = await publisher.publish([message for _, message in wave])
    except Unencodable as error:
        # Nothing of it was sent; the others go without it.
        _log.warning("letter cannot be sent", dead_letter_id=str(wave[error.index][0]), error=str(error))
        return await _publish_wave(publisher, [*wave[: error.index], *wave[error.index + 1 :]])
    return {
        letter
        for (letter, _), outcome in zip(wave, outcomes, strict=True)
        if outcome is Confirmation.CONFIRMED
    }


def _waves(messages: Iterable[tuple[UUID, Outgoing]]) -> list[Wave]:
    """Part messages so that none is in flight beside one of the same id, whom its return would be taken for.

    One event may be a dead letter of several consumers.
    """
    seen: dict[str | None, int] = defaultdict(int)
    waves: dict[int, Wave] = defaultdict(list)
    for letter, message in messages:
        before = seen[message.properties.message_id]
        seen[message.properties.message_id] += 1
        waves[before].append((letter, message))
    return list(waves.values())

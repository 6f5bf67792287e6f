"""Send back what operators decided to replay."""

from uuid import UUID

from threadly_chassis.messaging.gathering import StoredMessage, replay
from threadly_chassis.messaging.publisher import Confirmation
from threadly_chassis.observability.logging import get_logger

from ..dependencies import OperationsDeps
from ..storage import dead_letters
from ..storage.tables import DeadLetterRow

_log = get_logger(__name__)
BATCH = 100


def _stored(row: DeadLetterRow) -> StoredMessage:
    return StoredMessage(row.properties, row.headers, row.body)


async def send_replays(deps: OperationsDeps) -> None:
    """Publish marked letters to the queue of the consumer that failed; mark those the broker confirmed.

    A crash between the confirm and the mark sends one twice; the consumer's inbox applies it once.
    """
    async with deps.db.transaction() as tx:
        for row in await dead_letters.unsent_replays(tx.session, BATCH):
            replay_id: UUID | None = row.replay_id
            if replay_id is None:
                continue
            message = replay(_stored(row), consumer=row.consumer, replay_id=replay_id)
            [outcome] = await deps.publisher.publish([message])
            if outcome is Confirmation.CONFIRMED:
                row.sent_at = deps.clock.now()
            else:
                _log.warning("replay not confirmed", dead_letter_id=str(row.id), outcome=outcome.name)

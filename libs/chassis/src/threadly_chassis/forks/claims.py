"""What a reader doubts, asked about until it is known to its owner, replaced, or shown to operators."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import text

from ..db import Database
from ..errors import Permanent
from ..messaging.gaps import types_of
from ..messaging.publisher import Publisher
from ..messaging.subscriptions import AnyConsumer
from ..observability.errors import capture
from ..observability.metrics import DOUBTED, ORPHANS
from .protocol import Claim, Claims, ClaimsSettled

#: Claims in one question; and seconds after which an owner that did not answer is asked again.
AT_ONCE = 200
ASK_AGAIN = 10.0

# A stream that has moved on says what its owner has said since.
_SETTLE_MOVED = text("""
delete from inbox_claim c using inbox_stream s
where c.consumer = any(cast(:consumers as text[])) and s.consumer = c.consumer and s.agg_type = c.agg_type
  and s.agg_id = c.agg_id and s.last_event_id is distinct from c.event_id
""")
_ASK = text("""
with due as (
    select consumer, agg_type, agg_id from inbox_claim
    where consumer = any(cast(:consumers as text[])) and not is_orphan
      and coalesce(asked_at, '-infinity') < clock_timestamp() - :again * interval '1 second'
    order by noted_at limit :limit for update skip locked
)
update inbox_claim c set asked_at = clock_timestamp() from due
where c.consumer = due.consumer and c.agg_type = due.agg_type and c.agg_id = due.agg_id
returning c.consumer, c.owner, c.agg_type, c.agg_id, c.event_id
""")
_COUNT = text("""
select consumer, count(*) filter (where not is_orphan) as doubted,
       count(*) filter (where is_orphan) as orphans
from inbox_claim group by consumer
""")
_THESE = """
unnest(cast(:types as text[]), cast(:ids as text[]), cast(:events as uuid[]))
as a (agg_type, agg_id, event_id)
where c.consumer = :consumer and c.agg_type = a.agg_type and c.agg_id = a.agg_id and c.event_id = a.event_id
"""
_KNOWN = text(f"delete from inbox_claim c using {_THESE}")  # noqa: S608 - a constant of this file
_ORPHANED = text(
    f"update inbox_claim c set is_orphan = true from {_THESE} and not is_orphan returning c.agg_id"  # noqa: S608
)


class Orphaned(Permanent):
    """A reader holds aggregates of which their owner has no event: nobody can say how they stand.

    They were made in what the owner has lost, or have not changed for longer than its log goes back. They
    stay in `inbox_claim` until an event comes or an operator has decided (docs/runbooks/failover.md).
    """

    code = "orphaned"


class ClaimWatch:
    """Asks about what one service's consumers doubt, and takes the answers."""

    def __init__(self, consumers: Iterable[AnyConsumer], database: Database, publisher: Publisher) -> None:
        self._consumers = {consumer.name: consumer for consumer in consumers}
        self._database = database
        self._publisher = publisher

    async def ask(self) -> int:
        """Ask about what is due; returns about how much. Raises `BROKER_ERRORS`; it is due again then."""
        names = list(self._consumers)
        async with self._database.transaction() as tx:
            await tx.session.execute(_SETTLE_MOVED, {"consumers": names})
            values = {"consumers": names, "again": ASK_AGAIN, "limit": AT_ONCE}
            due = (await tx.session.execute(_ASK, values)).all()
        questions: dict[tuple[str, str, str], list[Claim]] = defaultdict(list)
        for row in due:
            claim = Claim(aggregate=row.agg_type, subject=row.agg_id, event_id=row.event_id)
            questions[row.consumer, row.owner, row.agg_type].append(claim)
        for (consumer, owner, aggregate), claims in questions.items():
            types = types_of(self._consumers[consumer], aggregate)
            question = Claims(consumer=consumer, types=types, claims=tuple(claims))
            await self._publisher.publish_one(question.to(owner))
        return len(due)

    async def take(self, answer: ClaimsSettled) -> None:
        """Let go of what is known, and show what nobody knows."""
        async with self._database.transaction() as tx:
            await tx.session.execute(_KNOWN, _these(answer.consumer, answer.known))
            orphans = await tx.session.execute(_ORPHANED, _these(answer.consumer, answer.orphans))
            subjects = [row.agg_id for row in orphans]
        if subjects:
            error = Orphaned(f"{answer.consumer} holds {len(subjects)} aggregates without an event")
            capture(error, kind="fork", consumer=answer.consumer, subjects=subjects[:20])

    async def count(self) -> None:
        """Bring the gauges up to date."""
        async with self._database.read() as session:
            counts = {row.consumer: row for row in await session.execute(_COUNT)}
        for name in self._consumers:
            row = counts.get(name)
            DOUBTED.labels(name).set(row.doubted if row else 0)
            ORPHANS.labels(name).set(row.orphans if row else 0)


def _these(consumer: str, claims: Sequence[Claim]) -> dict[str, Any]:
    return {
        "consumer": consumer,
        "types": [claim.aggregate for claim in claims],
        "ids": [claim.subject for claim in claims],
        "events": [claim.event_id for claim in claims],
    }

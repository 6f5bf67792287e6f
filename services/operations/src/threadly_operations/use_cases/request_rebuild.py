"""Ask that a reader be refilled from its owners' history."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from uuid import UUID

from threadly_chassis.clock import Clock
from threadly_chassis.db import Transaction
from threadly_chassis.errors import Conflict, NotFound
from threadly_chassis.ids import new_id
from threadly_contracts.operations import RebuildRequested

from ..domain.rebuild import RebuildStatus
from ..storage import rebuilds
from ..storage.tables import RebuildRow


class UnknownConsumer(NotFound):
    """No worker has declared a consumer of this name."""

    code = "unknown_consumer"
    title = "There is no such consumer"


class RebuildUnderWay(Conflict):
    """One rebuild of a reader at a time."""

    code = "rebuild_under_way"
    title = "It is being rebuilt already"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be rebuilt, from whom (nobody named: from all its owners), and how fast."""

    consumer: str
    owners: Sequence[str] = ()
    rate: int = 500
    """Events a second and owner."""
    patience_seconds: int = 60
    """How long the reader waits for what is missing, from the last thing it was sent."""


async def request_rebuild(tx: Transaction, wish: Wish, *, clock: Clock, actor: str) -> UUID:
    """Note the request and publish it; returns its id. Whether it can be done, the reader's worker says.

    Raises `UnknownConsumer` or `RebuildUnderWay`.
    """
    known = await rebuilds.known_consumers(tx.session)
    if wish.consumer not in known:
        raise UnknownConsumer(_unknown(wish.consumer, known))
    running = await rebuilds.under_way(tx.session, wish.consumer)
    if running is not None:
        raise RebuildUnderWay(f"Rebuild {running.id} of {wish.consumer} is under way.")
    now, rebuild_id = clock.now(), new_id()
    tx.session.add(
        RebuildRow(
            id=rebuild_id,
            consumer=wish.consumer,
            status=RebuildStatus.REQUESTED,
            rate=wish.rate,
            reason="",
            requested_by=actor,
            requested_at=now,
        )
    )
    requested = RebuildRequested(
        rebuild_id=rebuild_id,
        consumer=wish.consumer,
        owners=tuple(sorted(set(wish.owners))),
        rate=wish.rate,
        patience_seconds=wish.patience_seconds,
        requested_at=now,
    )
    await tx.publish(requested, version=1)
    return rebuild_id


def _unknown(consumer: str, known: Sequence[str]) -> str:
    alike = ", ".join(get_close_matches(consumer, known))
    return f"No worker runs {consumer}." + (f" Did you mean {alike}?" if alike else "")

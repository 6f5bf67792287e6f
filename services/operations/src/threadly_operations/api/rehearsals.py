"""Rehearsals: what a replay of dead letters would do. For operators."""

from collections import Counter
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from threadly_chassis.http import OperatorPrincipal, RequestModel, ResponseModel, router
from threadly_chassis.messaging.rehearsal import RehearsalOutcome

from ..dependencies import Deps
from ..storage.dead_letters import Selection
from ..use_cases.rehearse_dead_letters import Rehearsed, rehearse_dead_letters

routes = router("/v1/operations/dead-letters/rehearsals", tags=["operations"])

#: The gateway waits 30 s for an answer.
_MOST_SECONDS = 25


class RehearsalRequest(RequestModel):
    """Which letters to rehearse: by id, or what is open of a consumer or a kind of failure, oldest first."""

    ids: Annotated[tuple[UUID, ...], Field(max_length=100)] = ()
    consumer: str | None = None
    fingerprint: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    seconds: Annotated[float, Field(ge=1, le=_MOST_SECONDS)] = 20
    """What has not been answered by then is `unanswered`."""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not (self.ids or self.consumer or self.fingerprint):
            msg = "name ids, a consumer or a fingerprint"
            raise ValueError(msg)
        return self


class RowsView(ResponseModel):
    """What would be written to one table."""

    table: str
    inserted: int
    updated: int
    deleted: int


class EventView(ResponseModel):
    """An event that would be published."""

    type: str
    subject: str
    version: int


class CallView(ResponseModel):
    """A call that would leave the consumer's process: ids, numbers and shapes, no texts."""

    port: str
    method: str
    arguments: str


class RehearsalView(ResponseModel):
    """What one letter's consumer says of it, by how things stand now."""

    dead_letter_id: UUID
    consumer: str
    outcome: RehearsalOutcome
    reason: str
    exception: str
    message: str
    fingerprint: str
    permanent: bool
    """It would be a dead letter again at once; other failures are tried again first."""
    rows: list[RowsView]
    events: list[EventView]
    calls: list[CallView]
    """When the outcome is `unfinished`, what follows depends on the answer to the last of them."""
    left_out: int
    """Events and calls beyond a hundred of each."""

    @classmethod
    def of(cls, rehearsed: Rehearsed) -> Self:
        """Show what was said of a letter."""
        return cls.model_validate(
            {"dead_letter_id": rehearsed.dead_letter_id, **rehearsed.rehearsal.model_dump()}
        )


class RehearsalsView(ResponseModel):
    """What the consumers say, letter by letter and counted."""

    outcomes: dict[RehearsalOutcome, int]
    data: list[RehearsalView]


@routes.post("")
async def rehearse(body: RehearsalRequest, deps: Deps, operator: OperatorPrincipal) -> RehearsalsView:
    """Have the consumers say what a replay would do, of each letter by itself; nothing is changed."""
    said = await rehearse_dead_letters(
        deps.db,
        deps.asker,
        Selection(ids=body.ids, consumer=body.consumer, fingerprint=body.fingerprint),
        clock=deps.clock,
        actor=str(operator.user_id),
        limit=len(body.ids) or body.limit,
        seconds=body.seconds,
    )
    outcomes = Counter(each.rehearsal.outcome for each in said)
    return RehearsalsView(outcomes=dict(outcomes), data=[RehearsalView.of(each) for each in said])

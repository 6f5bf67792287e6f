"""Edit a dead letter's body and replay it so; of money, with a second person (F41)."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from threadly_chassis.errors import NotFound, ThreadlyError
from threadly_chassis.ids import new_id
from threadly_chassis.messaging import headers as h
from threadly_chassis.outbox import EventTooLarge
from threadly_chassis.testing.database import query
from threadly_contracts import Event
from threadly_contracts.orders import CheckoutEnded, CheckoutEnding
from threadly_contracts.search_indexer import SearchResultClicked
from threadly_operations.dependencies import OperationsDeps
from threadly_operations.domain.dead_letter import (
    LetterChanged,
    NotDiscardable,
    NotReplayable,
    ReasonMissing,
)
from threadly_operations.domain.edit import (
    Change,
    EditBreaksContract,
    EditDecided,
    EditStale,
    NotEditable,
    SecondPersonNeeded,
)
from threadly_operations.domain.status import Status
from threadly_operations.storage.dead_letters import Selection
from threadly_operations.storage.tables import AuditRow, DeadLetterRow, LetterEditRow
from threadly_operations.use_cases.decide_edit import approve_edit, reject_edit
from threadly_operations.use_cases.discard_dead_letter import discard_dead_letter
from threadly_operations.use_cases.edit_dead_letter import edit_dead_letter
from threadly_operations.use_cases.gather_dead_letters import gather_dead_letters
from threadly_operations.use_cases.replay_dead_letters import replay_dead_letters
from threadly_operations.use_cases.send_replays import send_replays

pytestmark = pytest.mark.integration
Bury = Callable[..., Awaitable[str]]
Letters = Callable[[], Awaitable[list[DeadLetterRow]]]
Count = Callable[[Any], Awaitable[int]]

SOME_TIME_AGO = datetime(2026, 11, 22, 10, tzinfo=UTC)
CLICKED = SearchResultClicked(
    query_id="q1", product_id=new_id(), position=1, user_id=None, clicked_at=SOME_TIME_AGO
)
ENDED = CheckoutEnded(
    checkout_id=new_id(),
    product_id=new_id(),
    buyer_id=new_id(),
    reason=CheckoutEnding.EXPIRED,
    ended_at=SOME_TIME_AGO,
)
MENDED = Change({"position": 2})
CANCELLED = Change({"reason": "CANCELLED"})


@pytest.fixture
def buried(
    deps: OperationsDeps, bury_event: Bury, letters: Letters
) -> Callable[..., Awaitable[DeadLetterRow]]:
    """Have one event's letter gathered."""

    async def gathered(event: Event, **more: Any) -> DeadLetterRow:
        await bury_event(event, **more)
        await gather_dead_letters(deps)
        return (await letters())[-1]

    return gathered


Buried = Callable[..., Awaitable[DeadLetterRow]]


async def _edit(
    deps: OperationsDeps,
    letter: UUID,
    change: Change,
    *,
    seen: int = 1,
    by: str = "olga",
    reason: str = "why",
) -> UUID:
    async with deps.db.transaction() as tx:
        return await edit_dead_letter(
            tx,
            letter,
            change,
            row_version=seen,
            clock=deps.clock,
            contracts=deps.contracts,
            actor=by,
            reason=reason,
        )


async def _approve(deps: OperationsDeps, edit_id: UUID, by: str = "otto") -> None:
    async with deps.db.transaction() as tx:
        await approve_edit(tx, edit_id, clock=deps.clock, actor=by)


async def _reject(deps: OperationsDeps, edit_id: UUID, by: str = "otto") -> None:
    async with deps.db.transaction() as tx:
        await reject_edit(tx, edit_id, clock=deps.clock, actor=by)


async def _replay(deps: OperationsDeps, letter: UUID, seen: int | None = None) -> None:
    async with deps.db.transaction() as tx:
        wanted = Selection(ids=(letter,))
        await replay_dead_letters(tx, wanted, clock=deps.clock, actor="ole", reason="", row_version=seen)


async def _discard(deps: OperationsDeps, letter: UUID, seen: int | None = None) -> None:
    async with deps.db.transaction() as tx:
        await discard_dead_letter(
            tx, letter, clock=deps.clock, actor="ole", reason="hopeless", row_version=seen
        )


async def _edits(deps: OperationsDeps) -> list[dict[str, Any]]:
    return await query(deps.db, "select * from letter_edit order by edited_at, id")


async def _audit(deps: OperationsDeps) -> list[tuple[Any, ...]]:
    rows = await query(deps.db, "select actor, action, replay_id, edit_id from audit_entry order by at, id")
    return [tuple(row.values()) for row in rows]


async def test_an_edited_letter_goes_to_its_consumer_as_the_same_event(
    deps: OperationsDeps, buried: Buried, letters: Letters, queues: dict[str, Any]
) -> None:
    """F41: with the edited body, under its own id, so that original and edit cannot both apply."""
    before = await buried(CLICKED)
    edit_id = await _edit(deps, before.id, MENDED)
    await send_replays(deps)
    message = await queues["main"].get(timeout=5)
    assert json.loads(message.body) == json.loads(before.body) | {"position": 2}
    [edit] = await _edits(deps)
    for name in (h.CE_ID, h.CE_TYPE, h.CE_SUBJECT, h.AGGREGATE_TYPE, h.AGGREGATE_VERSION):
        assert message.headers[name] == before.headers[name]
    assert message.message_id == message.headers[h.CE_ID] == before.message_key
    assert message.headers[h.REPLAY_ID] == str(edit["replay_id"])
    # Who, why and both bodies are kept, and the edit is one act.
    assert (edit["id"], edit["status"], edit["before"]) == (edit_id, "APPLIED", before.body)
    assert (edit["after"], edit["edited_by"], edit["reason"]) == (message.body, "olga", "why")
    assert (edit["decided_by"], edit["row_version"]) == (None, 2)
    assert await _audit(deps) == [("olga", "edit", edit["replay_id"], edit_id)]
    [after] = await letters()
    assert (after.status, after.row_version) == (Status.REPLAYING, 2)


async def test_what_fails_again_can_be_edited_again_and_the_original_stays(
    deps: OperationsDeps, buried: Buried, bury_event: Bury, letters: Letters
) -> None:
    """The same row comes back with the edited body; the first edit has the original's bytes."""
    original = await buried(CLICKED)
    await _edit(deps, original.id, MENDED)
    await send_replays(deps)
    [edited] = await letters()
    again = {"failed_at": "2026-11-22T11:00:00+00:00", "body": edited.body}
    await bury_event(CLICKED, original.message_key, **again)
    await gather_dead_letters(deps)
    [returned] = await letters()
    assert (returned.id, returned.status, returned.occurrences) == (original.id, Status.OPEN, 2)
    assert returned.body == edited.body != original.body
    await _edit(deps, returned.id, Change({"position": 3}), seen=returned.row_version)
    bodies = [(edit["before"], edit["after"]) for edit in await _edits(deps)]
    assert bodies[0] == (original.body, edited.body)
    assert bodies[1][0] == edited.body
    assert json.loads(bodies[1][1])["position"] == 3


async def test_what_cannot_be_read_is_replaced_whole(
    deps: OperationsDeps, buried: Buried, queues: dict[str, Any]
) -> None:
    letter = await buried(CLICKED, body=b"\xff{not json")
    with pytest.raises(ThreadlyError, match="Replace its body as a whole"):
        await _edit(deps, letter.id, MENDED)
    await _edit(deps, letter.id, Change(CLICKED.model_dump(mode="json"), whole=True))
    await send_replays(deps)
    assert SearchResultClicked.model_validate_json((await queues["main"].get(timeout=5)).body) == CLICKED
    [edit] = await _edits(deps)
    assert edit["before"] == b"\xff{not json"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"change": Change({"positon": 2})}, EditBreaksContract),
        ({"change": Change({"position": None})}, EditBreaksContract),
        ({"change": Change({"query_id": "x" * 300_000})}, EventTooLarge),
        ({"seen": 2}, LetterChanged),
        ({"reason": "  "}, ReasonMissing),
    ],
    ids=["a typo", "a field away", "too large", "not as it was seen", "no reason"],
)
async def test_an_edit_that_is_refused_changes_nothing(
    deps: OperationsDeps,
    buried: Buried,
    letters: Letters,
    count: Count,
    wrong: dict[str, Any],
    error: type[ThreadlyError],
) -> None:
    letter = await buried(CLICKED)
    with pytest.raises(error):
        await _edit(deps, letter.id, **({"change": MENDED} | wrong))
    [after] = await letters()
    assert (after.status, after.row_version, after.body) == (Status.OPEN, 1, letter.body)
    assert (await count(LetterEditRow), await count(AuditRow)) == (0, 0)


async def test_what_is_no_event_of_ours_or_is_not_open_cannot_be_edited(
    deps: OperationsDeps, buried: Buried, bury: Bury, letters: Letters
) -> None:
    letter = await buried(CLICKED)
    await _discard(deps, letter.id)
    with pytest.raises(NotEditable, match="DISCARDED"):
        await _edit(deps, letter.id, MENDED, seen=2)
    await bury()
    await gather_dead_letters(deps)
    with pytest.raises(NotEditable, match=r"threadly\.shelf\.book_added\.v1"):
        await _edit(deps, (await letters())[-1].id, Change({"title": "Persuasion"}))
    with pytest.raises(NotFound):
        await _edit(deps, new_id(), MENDED)


async def test_an_edit_of_money_waits_for_a_second_person(
    deps: OperationsDeps, buried: Buried, letters: Letters, queues: dict[str, Any]
) -> None:
    """F41: proposed by one, refused to the same, approved by another, and only then sent."""
    before = await buried(ENDED)
    edit_id = await _edit(deps, before.id, CANCELLED)
    await send_replays(deps)
    [letter] = await letters()
    assert (letter.status, letter.body, letter.row_version) == (Status.OPEN, before.body, 2)
    assert await queues["main"].get(fail=False, timeout=1) is None
    with pytest.raises(SecondPersonNeeded):
        await _approve(deps, edit_id, by="olga")
    await _approve(deps, edit_id, by="otto")
    await send_replays(deps)
    message = await queues["main"].get(timeout=5)
    assert json.loads(message.body)["reason"] == "CANCELLED"
    [edit] = await _edits(deps)
    assert (edit["status"], edit["edited_by"], edit["decided_by"]) == ("APPLIED", "olga", "otto")
    [replay] = await query(deps.db, "select requested_by, reason from replay")
    assert (replay["requested_by"], replay["reason"], edit["decision_reason"]) == ("otto", "why", "")
    # What was refused is no act.
    assert await _audit(deps) == [
        ("olga", "propose_edit", None, edit_id),
        ("otto", "approve_edit", edit["replay_id"], edit_id),
    ]


@pytest.mark.parametrize("by", ["otto", "olga"], ids=["by another", "taken back"])
async def test_a_rejected_edit_leaves_the_letter_as_it_is(
    deps: OperationsDeps, buried: Buried, letters: Letters, by: str
) -> None:
    before = await buried(ENDED)
    edit_id = await _edit(deps, before.id, CANCELLED)
    await _reject(deps, edit_id, by=by)
    for decide in (_approve, _reject):
        with pytest.raises(EditDecided):
            await decide(deps, edit_id)
    [letter] = await letters()
    assert (letter.status, letter.body) == (Status.OPEN, before.body)
    assert await _audit(deps) == [("olga", "propose_edit", None, edit_id), (by, "reject_edit", None, edit_id)]
    with pytest.raises(NotFound):
        await _approve(deps, new_id())


async def _proposed_anew(deps: OperationsDeps, letter: UUID) -> None:
    await _edit(deps, letter, Change({"reason": "FAILED"}), seen=2, by="oda")


@pytest.mark.parametrize("meanwhile", [_replay, _discard, _proposed_anew])
async def test_a_proposal_is_stale_when_the_letter_has_changed(
    deps: OperationsDeps, buried: Buried, letters: Letters, meanwhile: Callable[..., Awaitable[None]]
) -> None:
    """It may still be rejected, so that it waits for nobody."""
    before = await buried(ENDED)
    edit_id = await _edit(deps, before.id, CANCELLED)
    await meanwhile(deps, before.id)
    with pytest.raises(EditStale):
        await _approve(deps, edit_id)
    [letter] = await letters()
    assert letter.body == before.body
    await _reject(deps, edit_id)


async def test_of_two_proposals_from_one_look_one_wins(deps: OperationsDeps, buried: Buried) -> None:
    letter = await buried(ENDED)
    await _edit(deps, letter.id, CANCELLED)
    with pytest.raises(LetterChanged, match="version 2, you saw version 1"):
        await _edit(deps, letter.id, CANCELLED, by="otto")


@pytest.mark.parametrize("decide", [_replay, _discard])
async def test_who_says_what_he_saw_decides_about_that_only(
    deps: OperationsDeps, buried: Buried, decide: Callable[..., Awaitable[None]]
) -> None:
    letter = await buried(ENDED)
    await _edit(deps, letter.id, CANCELLED)
    with pytest.raises(LetterChanged) as raised:
        await decide(deps, letter.id, 1)
    assert raised.value.extras == {"row_version": 2}
    await decide(deps, letter.id, 2)


@pytest.mark.parametrize("turn", range(4))
async def test_decisions_about_a_proposal_at_once_are_one(
    deps: OperationsDeps, buried: Buried, turn: int
) -> None:
    """F41: two approvals, a rejection, a replay and a discard at the same moment: one happens."""
    letter = await buried(ENDED)
    edit_id = await _edit(deps, letter.id, CANCELLED)
    decisions = [
        _approve(deps, edit_id, by="otto"),
        _approve(deps, edit_id, by="oda"),
        _replay(deps, letter.id, 2),
        _discard(deps, letter.id, 2),
    ]
    decisions = decisions[turn:] + decisions[:turn]
    ends = await asyncio.gather(*decisions, return_exceptions=True)
    assert [end for end in ends if end is None] == [None]
    lost = (EditDecided, EditStale, LetterChanged, NotReplayable, NotDiscardable)
    assert all(isinstance(end, lost) for end in ends if end is not None)
    assert len(await _audit(deps)) == 2


async def test_an_approval_and_a_rejection_at_once_are_one(deps: OperationsDeps, buried: Buried) -> None:
    letter = await buried(ENDED)
    edit_id = await _edit(deps, letter.id, CANCELLED)
    ends = await asyncio.gather(
        _approve(deps, edit_id), _reject(deps, edit_id, by="oda"), return_exceptions=True
    )
    assert sorted(type(end) is EditDecided for end in ends) == [False, True]
    [edit] = await _edits(deps)
    assert (edit["status"] == "APPLIED") is (edit["replay_id"] is not None) is (ends[0] is None)

"""Several operators decide about the same letter at the same moment (F41)."""

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from threadly_chassis.http import Principal
from threadly_chassis.ids import new_id
from threadly_chassis.messaging import gathering
from threadly_chassis.messaging.gathering import StoredMessage
from threadly_chassis.messaging.publisher import Confirmation, Outgoing
from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_chassis.testing.service import client_for
from threadly_chassis.testing.specimen.cluster import Cluster
from threadly_chassis.testing.specimen.load import patiently
from threadly_chassis.testing.specimen.service import NoteWritten
from threadly_chassis.testing.working import working
from threadly_contracts import Registry
from threadly_operations.dependencies import OperationsDeps
from threadly_operations.main import build_app
from threadly_operations.schedules import SCHEDULES
from threadly_operations.storage.tables import DeadLetterRow, LetterEditRow
from threadly_operations.subscriptions import SUBSCRIPTIONS
from threadly_operations.use_cases.gather_dead_letters import gather_dead_letters

pytestmark = pytest.mark.integration

LETTERS = "/v1/operations/dead-letters"
_BROKEN = "insert into consumer_fault values ('specimen.every', 'the bank is closed', true, null)"
_VERBS = ("edit", "replay", "discard")
_PAIRS = tuple(itertools.combinations_with_replacement(_VERBS, 2))
#: Every two of the verbs meet at one letter at least this often.
_ROUNDS = 4


@dataclass(frozen=True)
class _Operator:
    """One person, served by a process of its own."""

    who: Principal
    client: httpx.AsyncClient

    async def decide(self, verb: str, letter: str, guard: dict[str, int]) -> httpx.Response:
        if verb == "edit":
            seen = {"row_version": 1, "reason": "mended"}
            change = {"patch": {"says": self.who.name}}
            return await self.client.post(f"{LETTERS}/{letter}/edits", json=change | seen)
        if verb == "replay":
            return await self.client.post(f"{LETTERS}/replays", json={"ids": [letter], **guard})
        return await self.client.post(f"{LETTERS}/{letter}/discard", json={"reason": "hopeless", **guard})


@asynccontextmanager
async def _operators(
    operations: OperationsDeps, identity: TestIdentity, *names: str
) -> AsyncIterator[list[_Operator]]:
    people = []
    async with AsyncExitStack() as stack:
        for name in names:
            who, app = somebody(name, "operator"), build_app(operations.settings)
            client = await stack.enter_async_context(client_for(app, identity.headers(who)))
            # The specimen's events are in no published contract.
            app.state.deps = replace(app.state.deps, contracts=Registry([NoteWritten]))
            people.append(_Operator(who, client))
        yield people


async def _rows(operations: OperationsDeps, query: str) -> list[tuple[Any, ...]]:
    async with operations.db.read() as session:
        return [tuple(row) for row in await session.execute(text(query))]


async def test_f41_operators_edit_replay_and_discard_one_letter_at_once(
    cluster: Cluster, operations: OperationsDeps, identity: TestIdentity, seed: int, length: int
) -> None:
    """F41: one wins, all others are told 409; the audit has what was done and by whom (I7), and no more.

    The consumer applies each letter once, with the winner's body, whatever comes of the original later.
    """
    print(f"SEED={seed} LENGTH={length}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)  # noqa: S311 - no secret
    pairs = _PAIRS * _ROUNDS * length
    await _have_letters(cluster, operations, len(pairs))
    letters = [
        letter for (letter,) in await _rows(operations, "select id::text from dead_letter order by id")
    ]
    winners = {}
    async with _operators(operations, identity, "Olga", "Otto", "Ole", "Oda") as people:
        for turn, (letter, pair) in enumerate(zip(letters, pairs, strict=True)):
            # The first pairs are alone, so that every verb certainly wins once.
            more = chance.randint(0, 2) if turn >= len(_PAIRS) else 0
            verbs = [*pair, *chance.choices(_VERBS, k=more)]
            winners[letter] = await _contend(chance, people, verbs, letter)
    await _check_what_is_written_down(operations, winners)
    async with working(operations.settings, operations, SUBSCRIPTIONS, SCHEDULES), cluster.working():
        await patiently(lambda: _is_settled(operations, winners), describe="what was sent to be resolved")
        await _check_effects(cluster, operations, winners)
        await _send_the_originals_again(operations)
        await patiently(lambda: _all_taken(cluster), describe="the originals to be taken")
    # The workers have finished what they had in hand.
    await _check_effects(cluster, operations, winners)


async def _have_letters(cluster: Cluster, operations: OperationsDeps, count: int) -> None:
    """Let one consumer give up so many events, and gather them."""
    async with cluster.working():
        await cluster.specimen.execute(_BROKEN)
        await cluster.specimen.write(*(f"note-{number % 8}" for number in range(count)))
        await cluster.at_rest(every=count)
        await cluster.specimen.execute("delete from consumer_fault")
    await gather_dead_letters(operations)


async def _contend(
    chance: random.Random, people: Sequence[_Operator], verbs: Sequence[str], letter: str
) -> tuple[str, Principal]:
    """Let as many people as there are verbs decide about one letter at once; gives who won, and with what."""
    contenders = list(zip(chance.sample(people, len(verbs)), verbs, strict=True))
    calls = []
    for person, verb in contenders:
        guard = {"row_version": 1} if chance.random() < 0.5 else {}
        calls.append(person.decide(verb, letter, guard))
    answers = await asyncio.gather(*calls)
    won = [
        (verb, person.who)
        for (person, verb), answer in zip(contenders, answers, strict=True)
        if answer.is_success
    ]
    lost = Counter(answer.status_code for answer in answers if not answer.is_success)
    assert (len(won), lost) == (1, {409: len(verbs) - 1}), [answer.text for answer in answers]
    return won[0]


async def _check_what_is_written_down(
    operations: OperationsDeps, winners: dict[str, tuple[str, Principal]]
) -> None:
    audited = await _rows(operations, "select dead_letter_id::text, action, actor from audit_entry")
    done = [(letter, verb, str(who.user_id)) for letter, (verb, who) in winners.items()]
    assert sorted(audited) == sorted(done)
    edited = "select dead_letter_id::text, edited_by, status from letter_edit"
    expected = [(letter, by, "APPLIED") for letter, verb, by in done if verb == "edit"]
    assert sorted(await _rows(operations, edited)) == sorted(expected)
    # Otherwise nothing would be shown of one of them.
    assert {verb for verb, _ in winners.values()} == set(_VERBS)


async def _is_settled(operations: OperationsDeps, winners: dict[str, tuple[str, Principal]]) -> bool:
    stand = dict(await _rows(operations, "select status, count(*) from dead_letter group by 1"))
    discarded = sum(verb == "discard" for verb, _ in winners.values())
    if stand != {"DISCARDED": discarded, "RESOLVED": len(winners) - discarded}:
        raise AssertionError(stand)
    return True


async def _check_effects(
    cluster: Cluster, operations: OperationsDeps, winners: dict[str, tuple[str, Principal]]
) -> None:
    keys = dict(await _rows(operations, "select id::text, message_key from dead_letter"))
    expected = [
        (keys[letter], who.name if verb == "edit" else "")
        for letter, (verb, who) in winners.items()
        if verb != "discard"
    ]
    effects = "select event_id::text, text from effect where consumer = 'specimen.every'"
    assert sorted(await cluster.specimen.query(effects)) == sorted(expected)
    # An edit is for the one consumer that had failed.
    others = "select distinct text from effect where consumer <> 'specimen.every'"
    assert await cluster.specimen.query(others) == [("",)]


async def _send_the_originals_again(operations: OperationsDeps) -> None:
    """As the broker does with a message whose acknowledgement was lost."""
    async with operations.db.read() as session:
        edits = list(
            await session.execute(
                select(DeadLetterRow, LetterEditRow).join(
                    LetterEditRow, LetterEditRow.dead_letter_id == DeadLetterRow.id
                )
            )
        )
    originals = [_original(letter, edit.before) for letter, edit in edits]
    assert json.loads(originals[0].body)["says"] == ""
    outcomes = await operations.publisher.publish(originals)
    assert set(outcomes) == {Confirmation.CONFIRMED}


def _original(letter: DeadLetterRow, body: bytes) -> Outgoing:
    stored = StoredMessage(letter.properties, letter.headers, body)
    return gathering.replay(stored, consumer=letter.consumer, replay_id=new_id())


async def _all_taken(cluster: Cluster) -> bool:
    return await cluster.specimen.depth("specimen.every") == 0

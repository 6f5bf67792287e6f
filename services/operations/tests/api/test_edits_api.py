"""Edits of dead letters in the API and on the command line (F41)."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from threadly_chassis.ids import new_id
from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_chassis.testing.service import client_for
from threadly_contracts.orders import CheckoutEnded, CheckoutEnding
from threadly_contracts.search_indexer import SearchResultClicked
from threadly_operations.dependencies import OperationsDeps
from threadly_operations.main import build_app
from threadly_operations.settings import OperationsSettings
from threadly_operations.storage.tables import DeadLetterRow
from threadly_operations.use_cases.gather_dead_letters import gather_dead_letters

pytestmark = pytest.mark.integration
Bury = Callable[..., Awaitable[str]]
Letters = Callable[[], Awaitable[list[DeadLetterRow]]]
Command = Callable[..., Awaitable[tuple[int, str]]]
LETTERS = "/v1/operations/dead-letters"
EDITS = "/v1/operations/edits"
SOME_TIME_AGO = datetime(2026, 11, 22, 10, tzinfo=UTC)
MENDED = {"patch": {"position": 2}, "row_version": 1, "reason": "off by one"}
CANCELLED = {"patch": {"reason": "CANCELLED"}, "row_version": 1, "reason": "the buyer said so"}


@pytest.fixture
async def click(deps: OperationsDeps, bury_event: Bury, letters: Letters) -> str:
    """A letter about a click."""
    event = SearchResultClicked(
        query_id="q1", product_id=new_id(), position=1, user_id=None, clicked_at=SOME_TIME_AGO
    )
    await bury_event(event)
    await gather_dead_letters(deps)
    return str((await letters())[-1].id)


@pytest.fixture
async def checkout(deps: OperationsDeps, bury_event: Bury, letters: Letters) -> str:
    """A letter about money."""
    event = CheckoutEnded(
        checkout_id=new_id(),
        product_id=new_id(),
        buyer_id=new_id(),
        reason=CheckoutEnding.EXPIRED,
        ended_at=SOME_TIME_AGO,
    )
    await bury_event(event)
    await gather_dead_letters(deps)
    return str((await letters())[-1].id)


@pytest.fixture
async def otto(settings: OperationsSettings, identity: TestIdentity) -> AsyncIterator[httpx.AsyncClient]:
    """The API, called by another operator."""
    async with client_for(build_app(settings), identity.headers(somebody("Otto", "operator"))) as client:
        yield client


async def test_an_edit_is_made_from_what_was_seen_and_shown_with_its_difference(
    client: httpx.AsyncClient, click: str
) -> None:
    seen = (await client.get(f"{LETTERS}/{click}")).json()
    answer = await client.post(f"{LETTERS}/{click}/edits", json=MENDED | {"row_version": seen["row_version"]})
    made = answer.json()
    assert (answer.status_code, made["status"], made["stale"], made["decided_by"]) == (
        202,
        "APPLIED",
        False,
        None,
    )
    assert made["differences"] == [{"path": "/position", "kind": "changed", "before": 1, "after": 2}]
    assert (made["before"], json.loads(made["after"])["position"]) == (seen["body"], 2)
    assert (await client.get(f"{EDITS}/{made['id']}")).json() == made
    progress = (await client.get(f"{LETTERS}/replays/{made['replay_id']}")).json()
    assert (progress["selected"], progress["reason"]) == (1, "off by one")
    late = await client.post(f"{LETTERS}/{click}/edits", json=MENDED)
    told = late.json()
    assert (late.status_code, told["type"], told["row_version"]) == (
        409,
        "urn:threadly:problem:letter_changed",
        2,
    )
    now = await client.post(f"{LETTERS}/{click}/edits", json=MENDED | {"row_version": 2})
    assert (now.status_code, now.json()["code"], now.json()["detail"]) == (
        409,
        "not_editable",
        "It is REPLAYING.",
    )


async def test_an_edit_of_money_is_approved_by_another_operator(
    client: httpx.AsyncClient, otto: httpx.AsyncClient, checkout: str
) -> None:
    made = (await client.post(f"{LETTERS}/{checkout}/edits", json=CANCELLED)).json()
    assert (made["status"], made["replay_id"]) == ("PROPOSED", None)
    [waiting] = (await otto.get(EDITS, params={"status": "PROPOSED"})).json()["data"]
    assert waiting == {name: made[name] for name in made if name not in {"before", "after"}}
    own = await client.post(f"{EDITS}/{made['id']}/approve", json={})
    assert (own.status_code, own.json()["type"]) == (403, "urn:threadly:problem:second_person_needed")
    done = await otto.post(f"{EDITS}/{made['id']}/approve", json={"reason": "I asked, too"})
    assert (done.status_code, done.json()["status"]) == (200, "APPLIED")
    assert done.json()["decision_reason"] == "I asked, too"
    assert done.json()["decided_by"] not in {None, made["edited_by"]}
    again = await otto.post(f"{EDITS}/{made['id']}/reject", json={})
    assert (again.status_code, again.json()["code"]) == (409, "edit_decided")
    assert (await client.get(EDITS, params={"status": "PROPOSED"})).json()["data"] == []


async def test_a_proposal_whose_letter_has_changed_is_stale_and_can_be_rejected(
    client: httpx.AsyncClient, otto: httpx.AsyncClient, checkout: str
) -> None:
    made = (await client.post(f"{LETTERS}/{checkout}/edits", json=CANCELLED)).json()
    late = await otto.post(f"{LETTERS}/replays", json={"ids": [checkout], "row_version": 1})
    assert (late.status_code, late.json()["code"]) == (409, "letter_changed")
    late = await otto.post(f"{LETTERS}/{checkout}/discard", json={"reason": "x", "row_version": 1})
    assert (late.status_code, late.json()["code"]) == (409, "letter_changed")
    gone = await otto.post(f"{LETTERS}/{checkout}/discard", json={"reason": "x", "row_version": 2})
    assert gone.status_code == 204
    assert (await client.get(f"{EDITS}/{made['id']}")).json()["stale"]
    stale = await otto.post(f"{EDITS}/{made['id']}/approve", json={})
    assert (stale.status_code, stale.json()["code"]) == (409, "edit_stale")
    rejected = await otto.post(f"{EDITS}/{made['id']}/reject", json={"reason": "overtaken"})
    assert (rejected.json()["status"], rejected.json()["stale"]) == ("REJECTED", False)


async def test_edits_are_paged_and_filtered(
    client: httpx.AsyncClient, otto: httpx.AsyncClient, checkout: str, click: str
) -> None:
    mine: list[str] = []
    for version in (1, 2, 3):
        edit = CANCELLED | {"row_version": version}
        mine.append((await client.post(f"{LETTERS}/{checkout}/edits", json=edit)).json()["id"])
    await otto.post(f"{LETTERS}/{click}/edits", json=MENDED)
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2, "dead_letter_id": checkout}
    while True:
        page = (await client.get(EDITS, params=params)).json()
        seen += [edit["id"] for edit in page["data"]]
        if not page["next_cursor"]:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == mine[::-1]
    assert len((await client.get(EDITS)).json()["data"]) == 4


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"patch": {"positon": 2}}, "edit_breaks_contract"),
        ({"patch": {"position": "second"}}, "edit_breaks_contract"),
        ({"patch": {"position": 1}}, "edit_changes_nothing"),
        ({"patch": None}, "invalid"),
        ({"patch": [{"op": "remove", "path": "/position"}]}, "invalid"),
        ({"body": {}}, "invalid"),
        ({"row_version": None}, "invalid"),
        ({"row_version": 0}, "invalid"),
        ({"reason": " "}, "reason_missing"),
        ({"reazon": ""}, "invalid"),
        ({"patch": {"query_id": "\0"}}, "invalid"),
    ],
)
async def test_a_wrong_edit_is_a_clear_problem(
    client: httpx.AsyncClient, click: str, wrong: dict[str, Any], code: str
) -> None:
    answer = await client.post(f"{LETTERS}/{click}/edits", json=MENDED | wrong)
    assert (answer.status_code, answer.json()["type"]) == (422, f"urn:threadly:problem:{code}")
    assert (await client.get(EDITS)).json()["data"] == []


async def test_the_fields_that_break_the_contract_are_named(client: httpx.AsyncClient, click: str) -> None:
    answer = await client.post(f"{LETTERS}/{click}/edits", json=MENDED | {"patch": {"positon": 2}})
    assert [fault["field"] for fault in answer.json()["errors"]] == ["positon"]


@pytest.mark.parametrize("levels", [150, 450, 900, 100_000])
async def test_a_deeply_nested_edit_is_a_clear_problem(
    client: httpx.AsyncClient, click: str, levels: int
) -> None:
    deep = b'{"query_id":' * levels + b"{}" + b"}" * levels
    body = b'{"row_version": 1, "reason": "x", "patch": ' + deep + b"}"
    answer = await client.post(
        f"{LETTERS}/{click}/edits", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in {400, 422}


async def test_a_row_version_belongs_to_a_single_letter(client: httpx.AsyncClient) -> None:
    group = {"consumer": "shelf.sorter", "row_version": 1}
    assert (await client.post(f"{LETTERS}/replays", json=group)).status_code == 422


async def test_members_and_unknown_edits(
    client: httpx.AsyncClient, identity: TestIdentity, click: str
) -> None:
    ada = identity.headers(somebody("Ada"))
    for path, body in ((f"{LETTERS}/{click}/edits", MENDED), (f"{EDITS}/{new_id()}/approve", {})):
        answer = await client.post(path, json=body, headers=ada)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await client.get(EDITS, headers=ada)).status_code == 403
    for verb in ("approve", "reject"):
        assert (await client.post(f"{EDITS}/{new_id()}/{verb}", json={})).status_code == 404
    assert (await client.get(f"{EDITS}/{new_id()}")).status_code == 404
    assert (await client.post(f"{LETTERS}/{new_id()}/edits", json=MENDED)).status_code == 404


async def test_the_command_line_edits_from_a_file_or_the_input(
    command: Command, click: str, tmp_path: Path
) -> None:
    patch = tmp_path / "patch.json"
    patch.write_text('{"position": 2}')
    code, text = await command("dlq", "show", click)
    assert "row_version     1" in text
    words = ("dlq", "edit", click, "--row-version", "1", "--reason", "off by one", "--patch")
    code, text = await command(*words, "-", given='{"positon": 2}')
    assert (code, text.strip().partition(" contract. ")[::2]) == (
        1,
        ("threadly: The edited body does not fit its event's", "positon: Extra inputs are not permitted"),
    )
    code, text = await command(*words, str(patch))
    first, second = text.splitlines()
    assert (code, first, second.split(":")[0]) == (0, "/position: 1 → 2", "edited and replaying")
    code, text = await command(*words, str(patch))
    assert (code, "you saw version 1" in text, len(text.strip().splitlines())) == (1, True, 1)
    code, text = await command("dlq", "edits")
    assert (code, text.strip()) == (0, "0 edits")
    code, text = await command("dlq", "edits", "--letter", click)
    assert (code, "APPLIED" in text, "off by one" in text, "1 edit" in text) == (0, True, True, True)


async def test_the_command_line_replays_and_discards_what_was_seen(command: Command, click: str) -> None:
    for words in (("replay", click), ("discard", click, "--reason", "x")):
        code, text = await command("dlq", *words, "--row-version", "2")
        assert (code, "in version 1, you saw version 2" in text) == (1, True)
    assert (await command("dlq", "replay", click, "--row-version", "1"))[0] == 0


@pytest.mark.parametrize(
    ("file", "given", "told"),
    [
        ("missing.json", "", "cannot be read (No such file or directory)"),
        ("-", "[1]", "has no JSON object (Input should be an object)"),
        ("-", "{", "has no JSON object"),
    ],
)
async def test_the_command_line_says_in_one_line_what_is_wrong_with_the_file(
    command: Command, file: str, given: str, told: str
) -> None:
    words = ("dlq", "edit", str(new_id()), "--row-version", "1", "--reason", "x", "--patch", file)
    code, text = await command(*words, given=given)
    assert (code, told in text, len(text.strip().splitlines())) == (1, True, 1)


async def test_the_command_line_replaces_a_whole_body(command: Command, click: str, letters: Letters) -> None:
    [letter] = await letters()
    body = json.loads(letter.body) | {"position": 7}
    words = ("dlq", "edit", click, "--row-version", "1", "--reason", "x", "--replace", "--patch", "-")
    code, text = await command(*words, given=json.dumps(body))
    assert (code, text.splitlines()[0]) == (0, "/position: 1 → 7")
    assert json.loads((await letters())[0].body) == body


async def test_the_command_line_proposes_approves_and_rejects(
    command: Command, checkout: str, monkeypatch: pytest.MonkeyPatch, client: httpx.AsyncClient
) -> None:
    words = ("dlq", "edit", checkout, "--reason", "the buyer said so", "--patch", "-", "--row-version")
    edits = []
    for version in ("1", "2"):
        code, text = await command(*words, version, given='{"reason": "CANCELLED"}')
        assert (code, text.splitlines()[0]) == (0, '/reason: "EXPIRED" → "CANCELLED"')
        edits.append(text.split()[-1])
    code, text = await command("dlq", "edits")
    assert (code, text.count("PROPOSED"), text.count("PROPOSED, stale")) == (0, 2, 1)
    code, text = await command("dlq", "reject", edits[0])
    assert (code, text.strip()) == (0, "rejected")
    code, text = await command("dlq", "approve", edits[1])
    assert (code, text.strip()) == (
        1,
        "threadly: Another operator must approve this edit. You have proposed it yourself.",
    )
    # Who calls the API may be the same person, under another name.
    answer = await client.post(f"{EDITS}/{edits[1]}/approve", json={})
    assert (answer.status_code, answer.json()["code"]) == (403, "second_person_needed")
    monkeypatch.setattr("threadly_operations.cli.edits.operator", lambda: "cli:otto")
    code, text = await command("dlq", "approve", edits[1], "--reason", "I asked, too")
    assert (code, "edited and replaying" in text) == (0, True)
    code, text = await command("dlq", "edits", edits[1])
    assert (code, "cli:otto" in text, "I asked, too" in text, text.count("CANCELLED")) == (0, True, True, 2)
    assert (await command("dlq", "edits", str(new_id())))[0] == 1

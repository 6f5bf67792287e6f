"""The operators' API and command line (R-SYS-05)."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from threadly_chassis.ids import new_id
from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_operations.dependencies import OperationsDeps
from threadly_operations.use_cases.gather_dead_letters import gather_dead_letters
from threadly_operations.use_cases.send_replays import send_replays

pytestmark = pytest.mark.integration
Bury = Callable[..., Awaitable[str]]
Command = Callable[..., Awaitable[tuple[int, str]]]
PATH = "/v1/operations/dead-letters"


async def test_letters_are_paged_and_shown_whole(
    client: httpx.AsyncClient, deps: OperationsDeps, bury: Bury
) -> None:
    for _ in range(3):
        await bury()
    await gather_dead_letters(deps)
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(PATH, params=params)).json()
        seen += [letter["id"] for letter in page["data"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == 3
    whole = (await client.get(f"{PATH}/{seen[0]}")).json()
    assert whole["body"] == '{"title": "Emma"}'
    assert whole["trace_id"] == "ab" * 16
    [group] = (await client.get(f"{PATH}/groups")).json()["data"]
    assert (group["count"], group["fingerprint"]) == (3, "f1")


async def test_replay_by_group_starts_with_a_dry_run(
    client: httpx.AsyncClient, deps: OperationsDeps, bury: Bury
) -> None:
    await bury()
    await gather_dead_letters(deps)
    plan = await client.post(f"{PATH}/replays", json={"consumer": "shelf.sorter", "dry_run": True})
    assert len(plan.json()["dead_letter_ids"]) == 1
    done = await client.post(f"{PATH}/replays", json={"consumer": "shelf.sorter"})
    assert done.status_code == 202
    again = await client.post(f"{PATH}/replays", json={"consumer": "shelf.sorter"})
    assert (again.status_code, again.json()["code"]) == (409, "not_replayable")


async def test_a_replays_rate_and_progress_are_shown(
    client: httpx.AsyncClient, deps: OperationsDeps, bury: Bury
) -> None:
    """F40: what was asked for, and how far it is."""
    await bury()
    await gather_dead_letters(deps)
    done = await client.post(f"{PATH}/replays", json={"consumer": "shelf.sorter", "rate": 7})
    assert done.json()["rate"] == 7
    await send_replays(deps)
    shown = (await client.get(f"{PATH}/replays/{done.json()['replay_id']}")).json()
    assert (shown["status"], shown["rate"], shown["selected"], shown["sent"]) == ("RUNNING", 7, 1, 1)
    assert (shown["resolved"], shown["failed_again"], shown["stopped_because"]) == (0, 0, "")
    assert (shown["stop_failures"], shown["stop_window"]) == (6, 50)
    unknown = await client.get(f"{PATH}/replays/{new_id()}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("rate", [0, 1001, "fast"])
async def test_a_rate_out_of_bounds_is_refused(client: httpx.AsyncClient, rate: object) -> None:
    answer = await client.post(f"{PATH}/replays", json={"consumer": "shelf.sorter", "rate": rate})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:threadly:problem:invalid")


async def test_bad_requests_are_clear(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"{PATH}/replays", json={})).status_code == 422
    group = {"consumer": "shelf.sorter", "discarded": True}
    assert (await client.post(f"{PATH}/replays", json=group)).status_code == 422
    assert (await client.get(f"{PATH}/{new_id()}")).status_code == 404
    discard = await client.post(f"{PATH}/{new_id()}/discard", json={"reason": "x"})
    assert discard.status_code == 404


async def test_members_are_kept_out(client: httpx.AsyncClient, identity: TestIdentity) -> None:
    answer = await client.get(PATH, headers=identity.headers(somebody("Ada")))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_the_page_is_served(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert "Messages that gave up" in answer.text


async def test_the_command_line_lists_shows_and_replays(
    command: Command, deps: OperationsDeps, bury: Bury
) -> None:
    await bury()
    await gather_dead_letters(deps)
    code, text = await command("dlq", "list")
    assert (code, "shelf.sorter" in text, "1 dead letter" in text) == (0, True, True)
    letter = text.splitlines()[1].split()[0]
    code, text = await command("dlq", "show", letter)
    assert (code, "Traceback" in text, "Emma" in text) == (0, True, True)
    assert (await command("dlq", "groups"))[0] == 0
    code, text = await command("dlq", "replay", letter, "--dry-run")
    assert (code, "would replay 1" in text) == (0, True)
    assert (await command("dlq", "replay", letter, "--reason", "mended"))[0] == 0
    code, text = await command("dlq", "list")
    assert "0 dead letters" in text
    code, text = await command("dlq", "replay", letter)
    assert (code, "cannot be replayed now" in text) == (1, True)


async def test_the_command_line_shows_replays_and_waits_for_one(
    command: Command, deps: OperationsDeps, bury: Bury, queues: dict[str, Any]
) -> None:
    await bury()
    await gather_dead_letters(deps)
    code, text = await command("dlq", "replay", "--consumer", "shelf.sorter", "--rate", "1001")
    assert (code, text.strip().splitlines()) == (
        1,
        ["threadly: A replay's rate is 1 to 1000 letters a second. It was to be 1001."],
    )
    words = ("dlq", "replay", "--consumer", "shelf.sorter", "--rate", "9", "--wait", "0.1")
    code, text = await command(*words)
    assert code == 1
    assert [line.partition(":")[0] for line in text.splitlines()] == [
        "replaying 1 dead letter, 9 a second",
        "0 of 1 resolved",
        "threadly",
    ]
    await send_replays(deps)
    code, text = await command("dlq", "replays")
    heading, line = text.splitlines()
    assert heading.split()[:5] == ["id", "status", "rate", "selected", "sent"]
    assert (code, line.split()[1:7]) == (0, ["RUNNING", "9", "1", "1", "0", "0"])


async def test_the_command_line_fails_in_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await command("dlq", "show", str(UUID(int=0))))[0] == 1
    assert (await command("dlq", "replay"))[0] == 1
    monkeypatch.setenv("THREADLY_OPERATIONS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    code, text = await command("dlq", "list")
    assert (code, len(text.strip().splitlines())) == (1, 1)
    assert "does not answer" in text
    monkeypatch.delenv("THREADLY_OPERATIONS_DATABASE_URL")
    code, text = await command("dlq", "list")
    assert (code, "database_url" in text) == (1, True)

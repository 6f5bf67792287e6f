"""The category tree: everybody reads it, operators change it."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from threadly_catalog.use_cases.change_category import change_category
from threadly_chassis.ids import new_id
from threadly_chassis.testing import eventually

pytestmark = pytest.mark.integration


async def _change(catalog: Any, category: UUID, **fields: Any) -> Any:
    return await catalog.call("PATCH", f"/categories/{category}", catalog.operator, json=fields)


async def _names(catalog: Any) -> list[Any]:
    def shown(branches: list[dict[str, Any]]) -> list[Any]:
        return [(branch["name"], shown(branch["children"])) for branch in branches]

    return shown((await catalog.call("GET", "/categories")).json()["data"])


async def test_a_tree_is_made_and_shown(catalog: Any) -> None:
    women = await catalog.category("Women", position=1)
    men = await catalog.category("Men", position=2)
    await catalog.category("Skirts", parent_id=str(women), position=2)
    await catalog.category("Robes d'été", parent_id=str(women), position=1)
    assert await _names(catalog) == [("Women", [("Robes d'été", []), ("Skirts", [])]), ("Men", [])]
    [(fact, version, payload)] = await catalog.events(men)
    assert (fact, version) == ("category_changed", 1)
    assert payload == {
        "category_id": str(men), "version": 1, "parent_id": None, "name": "Men", "slug": "men", "position": 2,
        "active": True,
    }  # fmt: skip


async def test_a_rename_raises_the_version_and_is_said(catalog: Any) -> None:
    """R-CAT-10 needs CategoryChanged; the reader sees the new name at once."""
    category = await catalog.category()
    assert await _names(catalog) == [("Dresses", [])]
    answer = await _change(catalog, category, name="Gowns & <i>Dresses</i>")
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert await _names(catalog) == [("Gowns & Dresses", [])]
    same = await _change(catalog, category, name="Gowns & Dresses")
    assert same.json()["version"] == 2
    assert [version for _, version, _ in await catalog.events(category)] == [1, 2]
    outdated = {"headers": {"If-Match": '"1"'}, "json": {"name": "Gowns"}}
    refused = await catalog.call("PATCH", f"/categories/{category}", catalog.operator, **outdated)
    assert refused.status_code == 412


async def test_a_closed_category_closes_its_branch(catalog: Any) -> None:
    women = await catalog.category("Women")
    await catalog.category("Skirts", parent_id=str(women))
    assert await _names(catalog) == [("Women", [("Skirts", [])])]
    await _change(catalog, women, active=False)
    assert await _names(catalog) == []
    all_of_it = await catalog.call("GET", "/categories?include_inactive=true", catalog.operator)
    [branch] = all_of_it.json()["data"]
    assert (branch["active"], branch["children"][0]["active"]) == (False, True)
    for by in (None, catalog.seller):
        assert (await catalog.call("GET", "/categories?include_inactive=true", by)).status_code == 403


async def test_no_loops_not_even_together(catalog: Any) -> None:
    """Two moves, each harmless by itself, at the same moment: the second sees the first."""
    one, two = await catalog.category("One"), await catalog.category("Two")
    assert (await _change(catalog, one, parent_id=str(one))).status_code == 422
    async with asyncio.TaskGroup() as tasks, catalog.deps.db.transaction() as tx:
        await change_category(tx, one, {"parent_id": two}, is_current=lambda _: True)
        other = tasks.create_task(_change(catalog, two, parent_id=str(one)))
        await eventually(catalog.waits_for_a_lock, describe="the second move to wait for the first")
    assert (other.result().status_code, other.result().json()["code"]) == (422, "category_loop")
    again = await _change(catalog, one, parent_id=None)
    assert again.json()["parent_id"] is None


async def test_two_categories_cannot_have_one_address(catalog: Any) -> None:
    await catalog.category("Dresses")
    other = await catalog.category("Skirts")
    made = await catalog.call("POST", "/categories", catalog.operator, json={"name": "DRESSES!"})
    renamed = await _change(catalog, other, slug="dresses")
    for answer in (made, renamed):
        assert (answer.status_code, answer.json()["code"]) == (409, "slug_taken")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "   "},
        {"name": "x" * 61},
        {"name": "靴"},
        {"name": "Shoes", "slug": "Shoes!"},
        {"name": "Shoes", "parent_id": str(new_id())},
        {"name": "Shoes", "position": -1},
        {"name": "Shoes", "owner": "me"},
        {},
    ],
)
async def test_what_is_no_category(catalog: Any, body: dict[str, Any]) -> None:
    answer = await catalog.call("POST", "/categories", catalog.operator, json=body)
    assert answer.status_code == 422


async def test_only_operators_change_the_tree(catalog: Any) -> None:
    category = await catalog.category()
    for by, status in ((None, 401), (catalog.seller, 403)):
        assert (await catalog.call("POST", "/categories", by, json={"name": "Mine"})).status_code == status
        path = f"/categories/{category}"
        assert (await catalog.call("PATCH", path, by, json={"name": "Mine"})).status_code == status
    assert (await _change(catalog, new_id(), name="Nobody's")).status_code == 404

"""Loads the demo data through the gateway (`python -m threadly_demo.load`); again changes nothing."""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

from .api import Api, Refused
from .catalogue import CATEGORIES, ITEMS, Item, items
from .clerk import Clerk
from .people import OPERATOR, PEOPLE, Person
from .pictures import draw_all, file_names
from .world import World

#: Listings under way at once; more only makes them wait for each other on two cores.
_AT_ONCE = 6
Progress = Callable[[str], None]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _open(world: World, clerk: Clerk, person: Person) -> Api:
    session = await clerk.sign_in(person.email, person.first_name, person.last_name, **person.metadata)
    return Api(world.public_url, session, patience=60)


def _by_name(branches: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every category of a tree by its name."""
    known: dict[str, dict[str, Any]] = {}
    for branch in branches:
        known[branch["name"]] = branch
        known |= _by_name(branch.get("children", []))
    return known


async def _categories(operator: Api) -> dict[str, str]:
    """The ids of the leaf categories by name; made where they are missing."""
    known = _by_name((await operator.get("/v1/categories"))["data"])

    async def ensure(name: str, **more: Any) -> str:
        category = known.get(name) or await operator.post(
            "/v1/categories", {"name": name, **more}, key=f"demo-category-{name}"
        )
        return str(category["id"])

    leaves: dict[str, str] = {}
    for place, (root, children) in enumerate(CATEGORIES):
        parent = await ensure(root, position=place)
        for position, (name, _) in enumerate(children):
            leaves[name] = await ensure(name, parent_id=parent, position=position)
    return leaves


async def _list_items(
    sellers: list[Api], categories: dict[str, str], public_url: str, tell: Progress
) -> None:
    waiting = items(len(sellers))
    total, done = len(waiting), 0

    async def work() -> None:
        nonlocal done
        while waiting:
            item = waiting.pop(0)
            await sellers[item.seller].post(
                "/v1/products", _body(item, categories, public_url), key=f"demo-item-{item.number}"
            )
            done += 1
            if done % 50 == 0 or done == total:
                tell(f"  {done} of {total} items listed")

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))


def _body(item: Item, categories: dict[str, str], public_url: str) -> dict[str, Any]:
    images = [
        {"url": f"{public_url}/media/demo/{name}", "alt": item.listing["title"]} for name in file_names(item)
    ]
    return {**item.listing, "category_id": categories[item.category], "images": images}


async def load(world: World, tell: Progress = _say) -> None:
    """Make the categories, the people and the items that are not there yet; raises `Refused`."""
    started = time.monotonic()
    anybody = Api(world.public_url, patience=60)
    clerk = Clerk(world.clerk_url, world.clerk_key)
    apis = [anybody]
    try:
        if (await anybody.get("/v1/products/stats"))["total_products"] >= ITEMS:
            tell("Demo data: already there")
            return
        tell("Demo data: drawing pictures")
        await asyncio.to_thread(draw_all, items(len(PEOPLE)), world.media_folder.resolve() / "demo")
        operator = await _open(world, clerk, OPERATOR)
        sellers = [await _open(world, clerk, person) for person in PEOPLE]
        apis += [operator, *sellers]
        categories = await _categories(operator)
        tell(f"Demo data: {len(categories)} categories, {len(sellers)} people; listing {ITEMS} items")
        await _list_items(sellers, categories, world.public_url, tell)
        tell(f"Demo data: loaded in {time.monotonic() - started:.0f} s")
    finally:
        for api in apis:
            await api.close()
        await clerk.close()


def main() -> int:
    """Load into the running system; returns the exit code."""
    try:
        asyncio.run(load(World.from_environment()))
    except Refused as refusal:
        sys.stderr.write(f"demo data: {refusal}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

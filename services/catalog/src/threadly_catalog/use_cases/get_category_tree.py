"""The tree of categories with their counts."""

from typing import Any

from pydantic import TypeAdapter

from threadly_chassis.cache import CACHE_TTL

from ..dependencies import CatalogDeps
from ..domain.categories import Branch, Category, forest
from ..domain.tags import CATEGORIES, PRODUCTS
from ..storage.categories import all_categories

_ROWS = TypeAdapter(list[Category])


async def get_category_tree(deps: CatalogDeps, *, closed_too: bool = False) -> tuple[Branch, ...]:
    """The open categories, each with the number of listed products in its whole branch.

    `closed_too` is for operators, who open them again, and is not cached.
    """
    if closed_too:
        async with deps.db.read() as session:
            return forest(await all_categories(session))

    async def load() -> Any:
        async with deps.db.read() as session:
            return _ROWS.dump_python(await all_categories(session), mode="json")

    rows = await deps.cache.get_or_load("categories", load, ttl=CACHE_TTL.MEDIUM, tags=(CATEGORIES, PRODUCTS))
    return forest(category for category in _ROWS.validate_python(rows) if category.active)

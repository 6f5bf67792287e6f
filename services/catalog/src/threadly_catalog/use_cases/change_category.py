"""An operator renames, moves, orders, closes or opens a category."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from threadly_chassis.db import Transaction

from ..domain.categories import Category, clean_name, refuse_loop
from ..domain.errors import CategoryNotUsable, VersionOutdated
from ..storage.categories import category_of, flush_slug, lock_category, lock_tree
from .create_category import announce_category


@dataclass(frozen=True, slots=True)
class ChangedCategory:
    """The category as it is now, and the parent that it had."""

    category: Category
    previous_parent_id: UUID | None


async def change_category(
    tx: Transaction,
    category_id: UUID,
    given: Mapping[str, Any],
    *,
    is_current: Callable[[int], bool],
) -> ChangedCategory:
    """Apply the given fields and say CategoryChanged; nothing new, nothing said.

    Raises `CategoryNotFound`, `VersionOutdated`, `FieldInvalid`, `CategoryNotUsable` (no such parent),
    `CategoryLoop`, `SlugTaken`.
    """
    parents = await lock_tree(tx.session)
    row = await lock_category(tx.session, category_id)
    if not is_current(row.version):
        raise VersionOutdated(version=row.version)
    fields = dict(given)
    if "name" in fields:
        fields["name"] = clean_name(fields["name"])
    parent_id = fields.get("parent_id", row.parent_id)
    if parent_id is not None and parent_id not in parents:
        raise CategoryNotUsable("There is no such parent.", errors=[{"field": "parent_id"}])
    refuse_loop(category_id, parent_id, parents)
    previous_parent_id = row.parent_id
    changes = {field: value for field, value in fields.items() if getattr(row, field) != value}
    if changes:
        for field, value in changes.items():
            setattr(row, field, value)
        row.version += 1
        await flush_slug(tx.session, row.slug)
        await announce_category(tx, row)
    return ChangedCategory(category_of(row), previous_parent_id)

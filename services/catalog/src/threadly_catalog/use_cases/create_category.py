"""An operator makes a category."""

from dataclasses import dataclass
from uuid import UUID

from threadly_chassis.db import Transaction
from threadly_chassis.ids import new_id
from threadly_contracts.catalog import CategoryChanged

from ..domain.categories import Category, clean_name, slug_of
from ..domain.errors import CategoryNotUsable, FieldInvalid
from ..storage.categories import category_of, flush_slug, lock_tree
from ..storage.tables import CategoryRow
from .tell_fact import tell_once_committed


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCategory:
    """What an operator says of a new category; without a slug, its name makes one."""

    name: str
    slug: str | None = None
    parent_id: UUID | None = None
    position: int = 0
    active: bool = True


async def create_category(tx: Transaction, new: NewCategory) -> Category:
    """Hang a category into the tree and say CategoryChanged.

    Raises `FieldInvalid`, `CategoryNotUsable` (no such parent), `SlugTaken`.
    """
    name = clean_name(new.name)
    slug = new.slug or slug_of(name)
    if not slug:
        raise FieldInvalid.of("slug", "The name has no letters of an address; give a slug.")
    parents = await lock_tree(tx.session)
    if new.parent_id is not None and new.parent_id not in parents:
        raise CategoryNotUsable("There is no such parent.", errors=[{"field": "parent_id"}])
    row = CategoryRow(
        category_id=new_id(),
        version=1,
        parent_id=new.parent_id,
        name=name,
        slug=slug,
        position=new.position,
        active=new.active,
    )
    tx.session.add(row)
    await flush_slug(tx.session, slug)
    await announce_category(tx, row)
    tell_once_committed(tx, "category_created", category_id=row.category_id)
    return category_of(row)


def changed(row: CategoryRow) -> CategoryChanged:
    """What a category is now."""
    return CategoryChanged(
        category_id=row.category_id,
        version=row.version,
        parent_id=row.parent_id,
        name=row.name,
        slug=row.slug,
        position=row.position,
        active=row.active,
    )


async def announce_category(tx: Transaction, row: CategoryRow) -> None:
    """Say what a category is now."""
    await tx.publish(changed(row), version=row.version)

"""The category tree: slugs, order, and no loops."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from .errors import CategoryLoop, FieldInvalid
from .text import one_line, says_something

LONGEST_NAME = 60
_NO_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One category, with the number of listed products directly in it."""

    category_id: UUID
    version: int
    parent_id: UUID | None
    name: str
    slug: str
    position: int
    active: bool
    listed: int = 0


@dataclass(frozen=True, slots=True)
class Branch:
    """A category with what hangs below it; `listed` counts the whole branch."""

    category: Category
    listed: int
    children: tuple["Branch", ...] = field(default=())


def clean_name(raw: str) -> str:
    """A category's name in one line of text; raises `FieldInvalid`."""
    name = one_line(raw)
    if not says_something(name) or len(name) > LONGEST_NAME:
        raise FieldInvalid.of("name", f"A name has 1 to {LONGEST_NAME} characters.")
    return name


def slug_of(name: str) -> str:
    """The part of an address that a name makes: `Robes d'été` becomes `robes-d-ete`; may be empty."""
    ascii_name = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    return _NO_SLUG.sub("-", ascii_name).strip("-")


def refuse_loop(category_id: UUID, parent_id: UUID | None, parents: Mapping[UUID, UUID | None]) -> None:
    """Raise `CategoryLoop` when `category_id` would hang below itself; `parents` is each one's parent."""
    above = parent_id
    while above is not None:
        if above == category_id:
            raise CategoryLoop
        above = parents.get(above)


def forest(categories: Iterable[Category]) -> tuple[Branch, ...]:
    """Arrange categories as trees, siblings by position and name.

    One whose parent is not among them is left out with all below it: a closed category closes its branch.
    """
    children: dict[UUID | None, list[Category]] = {}
    for category in sorted(categories, key=lambda one: (one.position, one.name)):
        children.setdefault(category.parent_id, []).append(category)

    def grow(category: Category) -> Branch:
        below = tuple(grow(child) for child in children.get(category.category_id, ()))
        return Branch(category, category.listed + sum(branch.listed for branch in below), below)

    return tuple(grow(root) for root in children.get(None, ()))

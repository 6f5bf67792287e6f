"""Stripe's form encoding: `metadata[order_id]=7&expand[0]=customer` as a tree of strings.

Accepted as the SDKs, the Stripe CLI and curl users write it: `a[0]`, `a[]` (repeated), `a[b][c]`. A later
value for the same place replaces an earlier one. A list is a container whose keys are numbers; only the
reader knows whether `metadata[0]` is an item or a key, so `as_list` is left to it.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

Tree = dict[str, Any]

MAX_DEPTH = 16
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")


class MalformedFormError(ValueError):
    """A parameter name that cannot be read, or that contradicts an earlier one."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Invalid parameter name or type: {name}")
        self.name = name


def parse_form(text: str) -> Tree:
    """Read a form-encoded body or query string.

    Raises:
        MalformedFormError: unbalanced brackets, nesting deeper than MAX_DEPTH, or one name used both as
            a value and as a container.

    """
    return unflatten(parse_qsl(text, keep_blank_values=True, max_num_fields=2_000))


def unflatten(pairs: Iterable[tuple[str, str]]) -> Tree:
    """Build the tree from flat (name, value) pairs; see `parse_form`."""
    root: Tree = {}
    for name, value in pairs:
        path = _path(name)
        place = root
        for key in path[:-1]:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise MalformedFormError(name)
        last = path[-1] or _next_index(place)
        if isinstance(place.get(last), dict):
            raise MalformedFormError(name)
        place[last] = value
    return root


def as_list(container: Tree) -> list[Any] | None:
    """The items in the order of their indexes, or None when a key is not an index."""
    if not all(key.isascii() and key.isdigit() for key in container):
        return None
    return [container[key] for key in sorted(container, key=int)]


def _next_index(place: Tree) -> str:
    return str(max((int(key) + 1 for key in place if key.isascii() and key.isdigit()), default=0))


def _path(name: str) -> list[str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise MalformedFormError(name)
    path = [match[1], *_PART.findall(match[2])]
    if len(path) > MAX_DEPTH or "" in path[:-1]:
        raise MalformedFormError(name)
    return path

"""Records: reading attributes by dotted path, the size limit, and partial updates."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from .errors import bad_request

Record = dict[str, Any]
Scalar = str | int | float | bool
MAX_RECORD_BYTES = 100_000  # the larger of the two plans' limits; https://www.algolia.com/doc, "record size"


class Refused(Exception):
    """A conditional update (``IncrementFrom``, ``IncrementSet``) whose condition does not hold."""


def scalars(value: Any) -> Iterator[Scalar]:
    """Walk arrays and objects down to their strings, numbers and booleans."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from scalars(inner)
    elif value is not None:
        yield value


def attribute_values(record: Record, path: str) -> list[Scalar]:
    """Read what stands under a dotted path, through arrays; empty when there is nothing."""
    if path in record:
        return list(scalars(record[path]))
    head, dot, rest = path.partition(".")
    inner = record.get(head) if dot else None
    holders = inner if isinstance(inner, list) else [inner]
    return [value for one in holders if isinstance(one, dict) for value in attribute_values(one, rest)]


def numbers(record: Record, prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every number in the record with its dotted path: all of them can be filtered by."""
    for name, value in record.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield from numbers(one, f"{prefix}{name}.")
            elif isinstance(one, (int, float)) and not isinstance(one, bool):
                yield prefix + name, float(one)


def facet_text(value: Scalar) -> str:
    """Write a value as a facet shows it: ``true``, ``12``, ``12.5``, or the string itself."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def check_size(record: Record, position: int) -> None:
    """Raise 400 for a record over 100 kB of JSON."""
    size = len(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_RECORD_BYTES:
        raise bad_request(
            f"Record at the position {position} objectID={record.get('objectID')} is too big "
            f"size={size}/{MAX_RECORD_BYTES} bytes."
        )


def partial_update(current: Record | None, patch: Record) -> Record:
    """Merge ``patch`` into a copy of the record; nested attributes are replaced whole.

    ``IncrementFrom`` and ``IncrementSet`` make the whole update conditional: a stale one raises Refused,
    whatever else it carries, which is what lets events arrive in any order.
    """
    updated = dict(current or {})
    for name, value in patch.items():
        if isinstance(value, dict) and "_operation" in value:
            updated[name] = _operate(updated.get(name), value)
        else:
            updated[name] = value
    return updated


def _operate(current: Any, operation: Record) -> Any:
    kind, value = operation["_operation"], operation.get("value")
    if kind in _NUMBER_OPERATIONS:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise bad_request(f"{kind} needs a number")
        return _NUMBER_OPERATIONS[kind](current if isinstance(current, (int, float)) else 0, value)
    if kind in _ARRAY_OPERATIONS:
        return _ARRAY_OPERATIONS[kind](_as_list(current), value)
    raise bad_request(f"Invalid _operation: {kind}")


def _increment_from(current: float, value: float) -> float:
    if current != value:
        raise Refused
    return current + 1


def _increment_set(current: float, value: float) -> float:
    if value <= current:
        raise Refused
    return value


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


_NUMBER_OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "Increment": lambda current, value: current + value,
    "Decrement": lambda current, value: current - value,
    "IncrementFrom": _increment_from,
    "IncrementSet": _increment_set,
}
_ARRAY_OPERATIONS: dict[str, Callable[[list[Any], Any], list[Any]]] = {
    "Add": lambda items, value: [*items, value],
    "Remove": lambda items, value: [item for item in items if item != value],
    "AddUnique": lambda items, value: items if value in items else [*items, value],
}

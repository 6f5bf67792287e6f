"""An event's body as JSON: read, merged (RFC 7396), compared, written."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter, ValidationError

JsonObject = dict[str, Any]


#: What consumers read events with: UTF-8, and some 200 levels deep at most.
_READER = TypeAdapter(JsonObject)


class NotAnObject(ValueError):
    """The bytes are no JSON object that a consumer could read."""


def read_object(body: bytes) -> JsonObject:
    """Read a JSON object; raises `NotAnObject`."""
    try:
        return _READER.validate_json(body)
    except ValidationError as error:
        raise NotAnObject(error.errors(include_input=False)[0]["msg"]) from error


def write(value: JsonObject) -> bytes:
    """Write a JSON object as events are: UTF-8, no spaces.

    Raises `NotAnObject` for half a character, an infinite number, or thousands of levels.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        raise NotAnObject(str(error)) from error


def merge(target: Any, patch: JsonObject) -> JsonObject:
    """Apply a JSON merge patch (RFC 7396 §2): null takes a field away, an array is replaced whole."""
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            merged[name] = merge(merged.get(name), value)
        else:
            merged[name] = value
    return merged


class Kind(StrEnum):
    """What became of a field."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """A place (RFC 6901; the empty one is the whole body) and what stood and stands there."""

    path: str
    kind: Kind
    before: Any = None
    after: Any = None


def differences(before: bytes, after: bytes) -> list[Difference]:
    """Say what differs between two bodies, in the order of the fields.

    A body that is no JSON object differs as a whole, and is shown with replacement characters.
    """
    try:
        return list(_between(read_object(before), read_object(after), ""))
    except NotAnObject:
        old, new = before.decode(errors="replace"), after.decode(errors="replace")
        return [] if before == after else [Difference("", Kind.CHANGED, old, new)]


def _between(before: JsonObject, after: JsonObject, place: str) -> Iterator[Difference]:
    for name in before | after:
        path = f"{place}/{name.replace('~', '~0').replace('/', '~1')}"
        if name not in after:
            yield Difference(path, Kind.REMOVED, before=before[name])
        elif name not in before:
            yield Difference(path, Kind.ADDED, after=after[name])
        elif isinstance(before[name], dict) and isinstance(after[name], dict):
            yield from _between(before[name], after[name], path)
        elif _text(before[name]) != _text(after[name]):
            yield Difference(path, Kind.CHANGED, before[name], after[name])


def _text(value: Any) -> str:
    # Python holds 1, 1.0 and true for equal.
    return json.dumps(value, sort_keys=True)

"""JSON Schema of every published event, and what may change in one (R-SYS-03).

Within a major version a schema only gains optional fields. Everything else breaks somebody: a new required
field breaks new readers of old events, a removed or narrowed one breaks old readers of new events.
"""

import json
from collections.abc import Iterator
from typing import Any

from .event import Event

Schema = dict[str, Any]
_WORDS_ONLY = {"title", "description", "default", "examples"}
_STRUCTURE = {"properties", "required", "items", "prefixItems", "anyOf", "$defs"}


def event_schema(event: type[Event]) -> Schema:
    """The JSON Schema (2020-12) of an event's body, with its identity."""
    body = event.model_json_schema(mode="serialization", ref_template="#/$defs/{model}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:threadly:event:{event.type}",
        **body,
        "x-aggregate": event.aggregate,
        "x-subject": event.subject_field,
    }


def _resolve(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        target: Schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
        schema = target | {key: value for key, value in schema.items() if key != "$ref"}
    return schema


def _describe(schema: Schema) -> str:
    kept = {key: value for key, value in schema.items() if key not in _WORDS_ONLY | _STRUCTURE}
    return json.dumps(kept, sort_keys=True)


def _fields(schema: Schema, root: Schema, path: str = "") -> Iterator[tuple[str, str]]:
    """Every place in a schema, with what may stand there."""
    schema = _resolve(schema, root)
    yield path, _describe(schema)
    for name, part in schema.get("properties", {}).items():
        place = f"{path}.{name}"
        required = name in schema.get("required", ())
        yield f"{place} required", str(required)
        yield from _fields(part, root, place)
    if "items" in schema:
        yield from _fields(schema["items"], root, f"{path}[]")
    for index, part in enumerate(schema.get("anyOf", ())):
        yield from _fields(part, root, f"{path}|{index}")


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """What in `new` would break a reader or a writer that knows `old`; empty when the change is additive."""
    before, after = dict(_fields(old, old)), dict(_fields(new, new))
    faults = [f"{place or 'the event'} was removed" for place in before if place not in after]
    faults += [
        f"{place or 'the event'} changed from {before[place]} to {after[place]}"
        for place in before
        if place in after and before[place] != after[place]
    ]
    faults += [
        f"{place.removesuffix(' required')} is new and required"
        for place, value in after.items()
        if place.endswith(" required")
        and value == "True"
        and place not in before
        and _parent(place) in before
    ]
    return faults


def _parent(place: str) -> str:
    return place.removesuffix(" required").rpartition(".")[0]

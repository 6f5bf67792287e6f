"""The contracts' own promises (R-SYS-03): current artefacts, additive changes, golden payloads, names."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from threadly_contracts import Event, EventDefinitionError, Registry, UnknownEventType, published_events
from threadly_contracts.generate import breaking_changes, main, stale
from threadly_contracts.schemas import event_schema, incompatibilities

FOLDER = Path(__file__).parents[1]
EVENTS = list(published_events())
PAST_TENSE = re.compile(r"(ed|sent|read|sold|begun|paid)$")


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_golden_payload_parses_and_fits_the_schema(event: type[Event]) -> None:
    payload = json.loads((FOLDER / "tests" / "golden" / f"{event.routing_key()}.json").read_text())
    parsed = event.model_validate(payload)
    jsonschema.validate(json.loads(parsed.model_dump_json()), event_schema(event))
    assert parsed.subject == str(payload[event.subject_field])


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_a_reader_ignores_fields_it_does_not_know(event: type[Event]) -> None:
    payload = json.loads((FOLDER / "tests" / "golden" / f"{event.routing_key()}.json").read_text())
    assert event.model_validate(payload | {"added_next_year": 1}) == event.model_validate(payload)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_wire_names_are_facts_in_the_past_tense(event: type[Event]) -> None:
    fact = event.type.split(".")[2]
    assert PAST_TENSE.search(fact), fact
    assert fact.replace("_", "") == re.sub(r"V\d+$", "", event.__name__).lower()


def test_artefacts_are_current() -> None:
    assert stale(FOLDER, published_events()) == []


def test_changes_are_additive() -> None:
    assert breaking_changes(FOLDER, published_events()) == []


def _schema(**changes: Any) -> dict[str, Any]:
    base = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "note": {"type": "string"},
            "part": {"$ref": "#/$defs/Part"},
        },
        "required": ["id", "part"],
        "$defs": {"Part": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}},
    }
    return base | changes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"required": ["id"]}, ".part required changed"),
        ({"required": ["id", "part", "note"]}, ".note required changed"),
        ({"properties": {"id": {"type": "string"}, "part": {"$ref": "#/$defs/Part"}}}, ".note was removed"),
        (
            {
                "$defs": {
                    "Part": {"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"]}
                }
            },
            ".part.n",
        ),
        (
            {
                "properties": {**_schema()["properties"], "x": {"type": "string"}},
                "required": ["id", "part", "x"],
            },
            ".x is new and required",
        ),
    ],
)
def test_a_breaking_change_is_named(change: dict[str, Any], words: str) -> None:
    faults = incompatibilities(_schema(), _schema(**change))
    assert any(words in fault for fault in faults), faults


def test_a_new_optional_field_is_allowed_even_when_it_has_required_parts() -> None:
    extended = _schema()
    extended["properties"]["more"] = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
    }
    assert incompatibilities(_schema(), extended) == []


def test_generation_refuses_to_overwrite_a_published_version(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    path = tmp_path / "schemas" / "orders.order_confirmed.v1.json"
    published = json.loads(path.read_text())
    published["properties"]["gone"] = {"type": "string"}
    path.write_text(json.dumps(published))
    assert main([str(tmp_path)]) == 1
    assert "gone" in path.read_text()


def test_check_fails_on_a_missing_file(tmp_path: Path) -> None:
    assert main(["--check", str(tmp_path)]) == 1
    assert main([]) == 2


def test_a_malformed_declaration_fails_at_import() -> None:
    with pytest.raises(EventDefinitionError, match="is not of the form"):
        type(
            "Bad", (Event,), {"__annotations__": {"id": int}}, type="orders.bad", aggregate="x", subject="id"
        )
    with pytest.raises(EventDefinitionError, match="kind of aggregate"):
        type("Bad", (Event,), {"__annotations__": {"id": int}}, type="threadly.orders.bad.v1", subject="id")
    with pytest.raises(EventDefinitionError, match="is not one of its fields"):
        type(
            "Bad",
            (Event,),
            {"__annotations__": {"id": int}},
            type="threadly.orders.bad.v1",
            aggregate="x",
            subject="y",
        )


def test_two_classes_cannot_claim_one_type() -> None:
    first = type(
        "A", (Event,), {"__annotations__": {"id": int}}, type="threadly.x.a.v1", aggregate="x", subject="id"
    )
    second = type(
        "B", (Event,), {"__annotations__": {"id": int}}, type="threadly.x.a.v1", aggregate="x", subject="id"
    )
    with pytest.raises(EventDefinitionError, match="both claim"):
        Registry([first, second])
    with pytest.raises(UnknownEventType):
        Registry([first])["threadly.x.b.v1"]


def test_events_are_immutable() -> None:
    event = EVENTS[0]
    payload = json.loads((FOLDER / "tests" / "golden" / f"{event.routing_key()}.json").read_text())
    with pytest.raises(ValidationError):
        event.model_validate(payload).version = 2  # type: ignore[attr-defined]

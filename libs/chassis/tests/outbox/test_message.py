"""What a row of the outbox becomes on the wire."""

from datetime import UTC, datetime

import pytest

from threadly_chassis.messaging.topology import EVENTS_EXCHANGE
from threadly_chassis.outbox.message import to_message
from threadly_chassis.outbox.store import OutboxRow
from threadly_chassis.testing.rows import row_of
from threadly_chassis.testing.specimen.service import NoteWritten


def _row(**columns: object) -> OutboxRow:
    return row_of(NoteWritten(note_id="a", says=""), 1)._replace(**columns)  # type: ignore[arg-type]


def test_what_the_rows_own_headers_say_stands() -> None:
    """A restated event keeps its time; a row of a release that repeated its columns is sent as it was."""
    own = {"cloudEvents:time": "2026-11-01T00:00:00Z", "cloudEvents:correlationid": "request-1", "t-epoch": 7}
    message = to_message(_row(headers=own))
    headers = message.properties.headers or {}
    assert {name: headers[name] for name in own} == own
    assert message.properties.correlation_id == "request-1"


@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
def test_times_are_exact_to_the_microsecond(microsecond: int) -> None:
    """RFC 3339 in UTC, as CloudEvents wants it, however much of it AMQP's own property cuts off."""
    moment = datetime(2026, 11, 29, 23, 59, 59, microsecond, UTC)
    appended_at = int(moment.timestamp()) * 1_000_000 + microsecond
    time = str((to_message(_row(appended_at=appended_at)).properties.headers or {})["cloudEvents:time"])
    assert datetime.fromisoformat(time) == moment
    assert time.endswith("Z")


@pytest.mark.parametrize(
    ("event_type", "owner", "routing_key"),
    [
        ("threadly.specimen.note_written.v1", "specimen", "specimen.note_written.v1"),
        ("by-hand", "", "by-hand"),
        (".", "", "."),
    ],
)
def test_a_type_that_nobody_has_defined_can_be_sent_all_the_same(
    event_type: str, owner: str, routing_key: str
) -> None:
    """What somebody puts there by hand is a dead letter at its readers, and no fault of the relay's."""
    message = to_message(_row(event_type=event_type))
    assert (message.exchange, message.routing_key) == (EVENTS_EXCHANGE, routing_key)
    assert message.properties.app_id == owner
    assert (message.properties.headers or {})["cloudEvents:source"] == f"/threadly/{owner}"

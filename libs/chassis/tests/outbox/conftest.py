"""A house to be kept: small partitions, a clock that moves, and one housekeeper's round."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pamqp import commands as spec

from threadly_chassis.messaging import headers as h
from threadly_chassis.messaging.publisher import Outgoing
from threadly_chassis.outbox.housekeeping import Round, keep_once
from threadly_chassis.outbox.partitions import (
    INBOX,
    OUTBOX,
    Partition,
    Partitioned,
    open_housekeeper,
    partitions_of,
)
from threadly_chassis.outbox.retention import Retention
from threadly_chassis.testing.specimen.harness import Specimen
from threadly_chassis.testing.specimen.service import NoteWritten

#: Events in a partition of the log.
SPAN = 10


@dataclass
class House:
    """A service's tables, the first partition of its log cut down to `SPAN` ids."""

    specimen: Specimen
    retention: Retention = field(default_factory=Retention)
    span: int = SPAN

    def keep(self) -> Round:
        """Do one round."""
        return keep_once(self.specimen.database_url, retention=self.retention, span=self.span)

    def later(self, **by: float) -> None:
        """Move the housekeeper's clock."""
        self.retention = replace(self.retention, shift=self.retention.shift + timedelta(**by))

    def partitions(self, parent: Partitioned = OUTBOX) -> list[Partition]:
        """What there is."""
        with open_housekeeper(self.specimen.database_url) as connection:
            return partitions_of(connection, parent)

    def names(self, parent: Partitioned = OUTBOX) -> list[str]:
        """The partitions' names, lowest first."""
        return [partition.name for partition in self.partitions(parent)]

    def cut_down(self) -> None:
        """Give up the large partitions that the migration has made."""
        with open_housekeeper(self.specimen.database_url) as connection:
            for parent in (OUTBOX, INBOX):
                for partition in partitions_of(connection, parent):
                    connection.execute(f"drop table {partition.name}".encode())

    async def history(self) -> list[int]:
        """The ids in the log."""
        return [row[0] for row in await self.specimen.query("select id from outbox_event order by id")]

    async def all_sent(self) -> None:
        """Settle everything that is pending."""
        await self.specimen.execute("delete from outbox_pending")


@pytest.fixture
def house(specimen: Specimen) -> House:
    house = House(specimen)
    house.cut_down()
    assert house.keep().is_finished
    return house


@pytest.fixture
def message_of() -> Callable[[str, str], Awaitable[Outgoing]]:
    """`await message_of(queue, note)` is a note's first version as its relay would send it to one queue."""

    async def make(queue: str, note: str) -> Outgoing:
        headers: dict[str, Any] = {
            h.CE_TYPE: NoteWritten.type,
            h.CE_SUBJECT: note,
            h.CE_TIME: datetime.now(UTC).isoformat(),
            h.AGGREGATE_TYPE: "note",
            h.AGGREGATE_VERSION: 1,
        }
        properties = spec.Basic.Properties(delivery_mode=2, headers=headers)
        return Outgoing("", queue, properties, NoteWritten(note_id=note, says="").model_dump_json().encode())

    return make

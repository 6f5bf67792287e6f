"""What `threadly dlq …` does."""

from uuid import UUID

from rich.table import Column, Table

from ..storage import dead_letters
from ..storage.dead_letters import Selection
from ..storage.tables import DeadLetterRow
from ..use_cases.discard_dead_letter import discard_dead_letter
from .running import Tools, fail, operator, out, run

_ABOUT_THE_EVENT = (
    "id",
    "consumer",
    "status",
    "row_version",
    "event_type",
    "aggregate",
    "subject",
    "version",
    "reason",
    "exception",
)
_ABOUT_THE_FAILURE = (
    "message",
    "attempts",
    "occurrences",
    "first_failed_at",
    "last_failed_at",
    "trace_id",
    "release",
    "host",
)


def list_letters(wanted: Selection, limit: int) -> None:
    """Print the selected letters, newest first."""

    async def work(tools: Tools) -> list[DeadLetterRow]:
        async with tools.db.read() as session:
            return await dead_letters.newest(session, wanted, before=None, limit=limit)

    rows = run(work)
    ids = Column("id", no_wrap=True), Column("consumer", no_wrap=True)
    table = Table(*ids, "event", "status", "tries", "reason", "trace", box=None)
    for row in rows:
        reason = f"{row.reason}: {row.message}" if row.message else row.reason
        tries = str(row.attempts)
        table.add_row(str(row.id), row.consumer, row.event_type, row.status, tries, reason[:80], row.trace_id)
    if rows:
        out.print(table, soft_wrap=True)
    out.print(counted(len(rows)))


def counted(count: int) -> str:
    """A number of dead letters in words."""
    return f"{count} dead letter{'' if count == 1 else 's'}"


def show_letter(letter: UUID) -> None:
    """Print one letter whole."""

    async def work(tools: Tools) -> DeadLetterRow | None:
        async with tools.db.read() as session:
            return await session.get(DeadLetterRow, letter)

    row = run(work)
    if row is None:
        fail("there is no such dead letter")
    for name in (*_ABOUT_THE_EVENT, *_ABOUT_THE_FAILURE):
        out.print(f"[bold]{name:16}[/bold]{getattr(row, name)}", highlight=False)
    for name, text in (("body", row.body.decode(errors="replace")), ("stack", row.stack)):
        out.print(f"[bold]{name}[/bold]")
        out.print(text, markup=False, highlight=False)


def discard_letter(letter: UUID, reason: str, row_version: int | None) -> None:
    """Give one letter up for good."""

    async def work(tools: Tools) -> None:
        async with tools.db.transaction() as tx:
            await discard_dead_letter(
                tx, letter, clock=tools.clock, actor=operator(), reason=reason, row_version=row_version
            )

    run(work)
    out.print("discarded")


def list_groups() -> None:
    """Print how many letters are open, by consumer and kind of failure."""

    async def work(tools: Tools) -> list[tuple[str, ...]]:
        async with tools.db.read() as session:
            rows = await dead_letters.groups(session)
        return [(str(r.count), r.consumer, r.fingerprint, r.reason, r.exception) for r in rows]

    table = Table("count", "consumer", "fingerprint", "reason", "exception", box=None)
    for row in run(work):
        table.add_row(*row)
    out.print(table, soft_wrap=True)

"""What `threadly dlq rehearse` does."""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.table import Table

from threadly_chassis.messaging.asking import Asker
from threadly_chassis.messaging.connection import BrokerConnection
from threadly_chassis.messaging.rehearsal import RehearsalOutcome

from ..settings import OperationsSettings
from ..storage.dead_letters import Selection
from ..use_cases.rehearse_dead_letters import Rehearsed, rehearse_dead_letters
from .dead_letters import counted
from .running import Tools, fail, operator, out, run

#: Ids that are shown of the letters that failed in one way.
_EXAMPLES = 3


def rehearse_letters(wanted: Selection, *, limit: int, seconds: float) -> None:
    """Print what a replay of the selected letters would do; exit code 1 unless all would end well."""

    async def work(tools: Tools) -> list[Rehearsed]:
        broker = BrokerConnection(
            OperationsSettings().amqp_url.get_secret_value(), "operations command: rehearse"
        )
        try:
            return await rehearse_dead_letters(
                tools.db,
                Asker(broker),
                wanted,
                clock=tools.clock,
                actor=operator(),
                limit=limit,
                seconds=seconds,
            )
        finally:
            await broker.close()

    said = run(work)
    _show_counts(said)
    _show("rows", ("table", "inserted", "updated", "deleted"), _rows(said))
    _show("events", ("would be published", "times"), _events(said))
    _show("effects", ("would be called", "times", "for example with"), _calls(said))
    _show("troubles", ("outcome", "reason", "exception", "message", "times", "letters"), _troubles(said))
    bad = sum(not each.rehearsal.is_welcome for each in said)
    if bad:
        fail(f"{bad} of {counted(len(said))} would not end well")


def _show_counts(said: Sequence[Rehearsed]) -> None:
    counts = Counter(each.rehearsal.outcome for each in said)
    parts = [f"{outcome.value} {counts[outcome]}" for outcome in RehearsalOutcome if counts[outcome]]
    out.print(f"{counted(len(said))}: {', '.join(parts)}", highlight=False)


def _show(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*map(str, row))
    if table.row_count:
        out.print(f"[bold]{title}[/bold]")
        out.print(table, soft_wrap=True, markup=False)


def _rows(said: Sequence[Rehearsed]) -> Iterable[Sequence[object]]:
    sums: dict[str, list[int]] = {}
    for each in said:
        for rows in each.rehearsal.rows:
            known = sums.setdefault(rows.table, [0, 0, 0])
            sums[rows.table] = [
                one + more
                for one, more in zip(known, (rows.inserted, rows.updated, rows.deleted), strict=True)
            ]
    return [(table, *counts) for table, counts in sorted(sums.items())]


def _events(said: Sequence[Rehearsed]) -> Iterable[Sequence[object]]:
    return Counter(event.type for each in said for event in each.rehearsal.events).most_common()


def _calls(said: Sequence[Rehearsed]) -> Iterable[Sequence[object]]:
    """Each kind of call, how often, and its first arguments; one whose answer was needed is marked."""
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for each in said:
        unfinished = each.rehearsal.outcome is RehearsalOutcome.UNFINISHED
        last = len(each.rehearsal.calls) - 1
        for number, call in enumerate(each.rehearsal.calls):
            ends_here = " (what follows depends on its answer)" if unfinished and number == last else ""
            name = f"{call.port}.{call.method}{ends_here}"
            counts[name] += 1
            examples.setdefault(name, call.arguments)
    return [(name, times, examples[name]) for name, times in counts.most_common()]


def _troubles(said: Sequence[Rehearsed]) -> Iterable[Sequence[object]]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for each in said:
        told = each.rehearsal
        if not told.is_welcome:
            kind = (told.outcome.value, told.reason, told.exception, told.message[:80])
            groups.setdefault(kind, []).append(str(each.dead_letter_id))
    return [(*kind, len(letters), " ".join(letters[:_EXAMPLES])) for kind, letters in groups.items()]

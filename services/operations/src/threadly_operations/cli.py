"""`threadly`: the operators' command line.

It works on operations' own database, so it also works while the API is down. Every command prints one clear
line and returns a non-zero exit code when it cannot do what was asked.
"""

import asyncio
import getpass
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, NoReturn, TypeVar
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy.exc import SQLAlchemyError

from threadly_chassis.errors import ThreadlyError
from threadly_chassis.messaging.topology import main as run_topology

from .dependencies import OperationsDeps, open_deps
from .domain.dead_letter import Status
from .domain.rebuild import RebuildStatus
from .settings import OperationsSettings
from .storage import dead_letters, rebuilds
from .storage.dead_letters import Selection
from .storage.rebuilds import RebuildView
from .storage.tables import DeadLetterRow
from .use_cases.abandon_rebuild import abandon_rebuild
from .use_cases.discard_dead_letter import discard_dead_letter
from .use_cases.replay_dead_letters import Replay, replay_dead_letters
from .use_cases.request_rebuild import Wish, request_rebuild

Result = TypeVar("Result")

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Operate Threadly.")
dlq = typer.Typer(no_args_is_help=True, help="Messages that gave up: look, replay, discard.")
app.add_typer(dlq, name="dlq")
#: A pipe has no width; ids must come out whole there.
_out = Console(width=None if sys.stdout.isatty() else 240)


def _run(work: Callable[[OperationsDeps], Awaitable[Result]]) -> Result:
    """Run a command with operations' dependencies; one line and exit code 1 when it fails."""

    async def whole() -> Result:
        async with open_deps(OperationsSettings()) as deps:
            return await work(deps)

    try:
        return asyncio.run(whole())
    except ValidationError as fault:
        missing = ", ".join(str(part["loc"][-1]) for part in fault.errors())
        _fail(f"settings are missing or wrong: {missing} (set THREADLY_OPERATIONS_… or THREADLY_…)")
    except ThreadlyError as fault:
        _fail(f"{fault.title}. {fault.detail}".strip())
    except (SQLAlchemyError, OSError) as fault:
        _fail(f"operations' database does not answer ({type(fault).__name__})")


def _fail(line: str) -> NoReturn:
    sys.stderr.write(f"threadly: {line}\n")
    raise typer.Exit(1)


ConsumerOption = Annotated[str | None, typer.Option(help="Only this consumer's.")]
FingerprintOption = Annotated[str | None, typer.Option(help="Only this kind of failure.")]


@dlq.command("list")
def list_letters(
    consumer: ConsumerOption = None,
    fingerprint: FingerprintOption = None,
    status: Annotated[Status | None, typer.Option(help="Only those that stand so.")] = Status.OPEN,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Whatever their status.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """List dead letters, newest first."""
    wanted = Selection(consumer=consumer, fingerprint=fingerprint, status=None if everything else status)

    async def work(deps: OperationsDeps) -> list[DeadLetterRow]:
        async with deps.db.read() as session:
            return await dead_letters.newest(session, wanted, before=None, limit=limit)

    rows = _run(work)
    table = Table(
        Column("id", no_wrap=True),
        Column("consumer", no_wrap=True),
        "event",
        "status",
        "tries",
        "reason",
        "trace",
        box=None,
    )
    for row in rows:
        reason = f"{row.reason}: {row.message}" if row.message else row.reason
        table.add_row(
            str(row.id),
            row.consumer,
            row.event_type,
            row.status,
            str(row.attempts),
            reason[:80],
            row.trace_id,
        )
    if rows:
        _out.print(table, soft_wrap=True)
    _out.print(f"{len(rows)} dead letter{'' if len(rows) == 1 else 's'}")


@dlq.command("show")
def show_letter(letter: UUID) -> None:
    """Show one dead letter whole: payload, headers, stack, attempts, times, trace."""

    async def work(deps: OperationsDeps) -> DeadLetterRow | None:
        async with deps.db.read() as session:
            return await session.get(DeadLetterRow, letter)

    row = _run(work)
    if row is None:
        _fail("there is no such dead letter")
    for name in (
        "id",
        "consumer",
        "status",
        "event_type",
        "aggregate",
        "subject",
        "version",
        "reason",
        "exception",
    ):
        _out.print(f"[bold]{name:16}[/bold]{getattr(row, name)}", highlight=False)
    for name in (
        "message",
        "attempts",
        "occurrences",
        "first_failed_at",
        "last_failed_at",
        "trace_id",
        "release",
        "host",
    ):
        _out.print(f"[bold]{name:16}[/bold]{getattr(row, name)}", highlight=False)
    _out.print("[bold]body[/bold]")
    _out.print(row.body.decode(errors="replace"), markup=False, highlight=False)
    _out.print("[bold]stack[/bold]")
    _out.print(row.stack, markup=False, highlight=False)


@dlq.command("replay")
def replay_letters(
    letters: Annotated[list[UUID] | None, typer.Argument(help="Ids; none for a whole group.")] = None,
    consumer: ConsumerOption = None,
    fingerprint: FingerprintOption = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")] = "",
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait until the consumer has applied them.")] = 0,
) -> None:
    """Send dead letters back to the consumers that gave them up."""
    if not (letters or consumer or fingerprint):
        _fail("name ids, --consumer or --fingerprint")
    wanted = Selection(ids=tuple(letters or ()), consumer=consumer, fingerprint=fingerprint)

    async def work(deps: OperationsDeps) -> Replay:
        async with deps.db.transaction() as tx:
            return await replay_dead_letters(
                tx, wanted, clock=deps.clock, actor=_operator(), reason=reason, dry_run=dry_run
            )

    decided = _run(work)
    count = len(decided.dead_letter_ids)
    _out.print(f"{'would replay' if dry_run else 'replaying'} {count} dead letter{'' if count == 1 else 's'}")
    if wait and not dry_run:
        _wait_until_settled(decided, wait)


def _operator() -> str:
    return f"cli:{getpass.getuser()}"


def _wait_until_settled(decided: Replay, seconds: float) -> None:
    async def work(deps: OperationsDeps) -> dict[UUID, str]:
        end = time.monotonic() + seconds
        while True:
            async with deps.db.read() as session:
                rows = await dead_letters.newest(
                    session,
                    Selection(ids=decided.dead_letter_ids),
                    before=None,
                    limit=len(decided.dead_letter_ids),
                )
            states = {row.id: row.status for row in rows}
            if Status.REPLAYING not in states.values() or time.monotonic() > end:
                return states
            await asyncio.sleep(0.2)

    states = _run(work)
    resolved = sum(state == Status.RESOLVED for state in states.values())
    _out.print(f"{resolved} of {len(states)} resolved")
    if resolved < len(states):
        _fail("not all were applied; see threadly dlq list")


@dlq.command("discard")
def discard_letter(
    letter: UUID, reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")]
) -> None:
    """Give a dead letter up for good; it stays readable."""

    async def work(deps: OperationsDeps) -> None:
        async with deps.db.transaction() as tx:
            await discard_dead_letter(tx, letter, clock=deps.clock, actor=_operator(), reason=reason)

    _run(work)
    _out.print("discarded")


@dlq.command("groups")
def list_groups() -> None:
    """Count open dead letters by consumer and kind of failure."""

    async def work(deps: OperationsDeps) -> list[tuple[str, ...]]:
        async with deps.db.read() as session:
            rows = await dead_letters.groups(session)
        return [(str(r.count), r.consumer, r.fingerprint, r.reason, r.exception) for r in rows]

    table = Table("count", "consumer", "fingerprint", "reason", "exception", box=None)
    for row in _run(work):
        table.add_row(*row)
    _out.print(table, soft_wrap=True)


topology = typer.Typer(no_args_is_help=True, help="Exchanges, queues and bindings.")
app.add_typer(topology, name="topology")
Packages = Annotated[list[str], typer.Argument(help="threadly_<service> …")]


@topology.command("plan")
def plan_topology(packages: Packages) -> None:
    """Say what `apply` would declare."""
    raise typer.Exit(run_topology(["plan", *packages]))


@topology.command("apply")
def apply_topology(packages: Packages) -> None:
    """Declare what is missing; what is there stays."""
    raise typer.Exit(run_topology(["apply", *packages]))


@topology.command("check")
def check_topology(packages: Packages) -> None:
    """Say what is missing or different, a line each."""
    raise typer.Exit(run_topology(["check", *packages]))


@app.command("rebuild")
def rebuild_reader(
    consumer: Annotated[str, typer.Argument(help="The reader, e.g. search-indexer.projector.")],
    rate: Annotated[int, typer.Option(min=1, max=5000, help="Events a second and owner.")] = 500,
    from_owner: Annotated[list[str] | None, typer.Option(help="Only this owner's; may be repeated.")] = None,
    patience: Annotated[int, typer.Option(min=1, help="Seconds the reader waits for what is missing.")] = 60,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the verdict; exits 0 if equal.")] = 0,
    *,
    abandon: Annotated[bool, typer.Option("--abandon", help="Call off the one that is under way.")] = False,
) -> None:
    """Refill a reader from its owners' history while live traffic goes on."""
    wish = Wish(consumer, tuple(from_owner or ()), rate, patience)

    async def work(deps: OperationsDeps) -> UUID:
        async with deps.db.transaction() as tx:
            if abandon:
                return await abandon_rebuild(tx, consumer, clock=deps.clock, actor=_operator())
            return await request_rebuild(tx, wish, clock=deps.clock, actor=_operator())

    rebuild_id = _run(work)
    _out.print(f"rebuild {rebuild_id} of {consumer} {'abandoned' if abandon else 'requested'}")
    if wait and not abandon:
        _wait_for_verdict(rebuild_id, wait)


def _wait_for_verdict(rebuild_id: UUID, seconds: float) -> None:
    """Print what changes until the rebuild has ended."""

    async def work(deps: OperationsDeps) -> RebuildView | None:
        end, shown = time.monotonic() + seconds, ""
        while True:
            async with deps.db.read() as session:
                view = await rebuilds.view(session, rebuild_id)
            if view and (line := _parts_of(view)) != shown:
                _out.print(line, highlight=False)
                shown = line
            if view is None or not view.is_under_way or time.monotonic() > end:
                return view
            await asyncio.sleep(0.2)

    view = _run(work)
    if view is None or view.is_under_way:
        _fail(f"not ended after {seconds:g} s; see threadly rebuilds")
    if view.rebuild.status != RebuildStatus.EQUAL:
        _fail(f"{view.rebuild.status}{': ' if view.rebuild.reason else ''}{view.rebuild.reason}")
    _out.print(view.rebuild.status)


def _parts_of(view: RebuildView) -> str:
    sent = [f"{part.sent}/{'?' if part.total is None else part.total}" for part in view.parts]
    return ", ".join(
        f"{part.service} {part.verdict or so_far}" for part, so_far in zip(view.parts, sent, strict=True)
    )


@app.command("rebuilds")
def list_rebuilds(limit: Annotated[int, typer.Option(min=1, max=1000)] = 20) -> None:
    """List rebuilds, newest first: how far they are, how they ended."""

    async def work(deps: OperationsDeps) -> list[RebuildView]:
        async with deps.db.read() as session:
            return await rebuilds.newest(session, limit)

    table = Table(Column("id", no_wrap=True), Column("reader", no_wrap=True), "status", "by", "", box=None)
    for view in _run(work):
        row = view.rebuild
        table.add_row(str(row.id), row.consumer, row.status, row.requested_by, row.reason or _parts_of(view))
    _out.print(table, soft_wrap=True)


def main() -> None:
    """The `threadly` command."""
    app()

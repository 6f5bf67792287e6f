"""`threadly`: the operators' command line.

It works on operations' own database, so it also works while the API is down. Every command prints one clear
line and returns a non-zero exit code when it cannot do what was asked.

Here is how it is called; what a command does is imported when it is called (hence PLC0415 below): the help of
`threadly` comes without the second that SQLAlchemy and its drivers take to import, and no command waits for
what only the API and the worker need.
"""

from typing import Annotated
from uuid import UUID

import typer

from ..domain.replay import DEFAULT_RATE, MAX_RATE
from ..domain.status import Status
from . import edit_commands

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Operate Threadly.")
dlq = typer.Typer(no_args_is_help=True, help="Messages that gave up: look, rehearse, replay, edit, discard.")
app.add_typer(dlq, name="dlq")

ConsumerOption = Annotated[str | None, typer.Option(help="Only this consumer's.")]
FingerprintOption = Annotated[str | None, typer.Option(help="Only this kind of failure.")]
LimitOption = Annotated[int, typer.Option(min=1, max=1000)]
RowVersionOption = Annotated[
    int | None, typer.Option(min=1, help="The letter's row_version, as `dlq show` said; else any is right.")
]


@dlq.command("list")
def list_letters(
    consumer: ConsumerOption = None,
    fingerprint: FingerprintOption = None,
    status: Annotated[Status | None, typer.Option(help="Only those that stand so.")] = Status.OPEN,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Whatever their status.")] = False,
    limit: LimitOption = 50,
) -> None:
    """List dead letters, newest first."""
    from ..storage.dead_letters import Selection  # noqa: PLC0415 - as above
    from . import dead_letters  # noqa: PLC0415 - as above

    wanted = Selection(consumer=consumer, fingerprint=fingerprint, status=None if everything else status)
    dead_letters.list_letters(wanted, limit)


@dlq.command("show")
def show_letter(letter: UUID) -> None:
    """Show one dead letter whole: payload, headers, stack, attempts, times, trace."""
    from . import dead_letters  # noqa: PLC0415 - as above

    dead_letters.show_letter(letter)


@dlq.command("replay")
def replay_letters(  # noqa: PLR0913 - an option each
    letters: Annotated[list[UUID] | None, typer.Argument(help="Ids; none for a whole group.")] = None,
    consumer: ConsumerOption = None,
    fingerprint: FingerprintOption = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")] = "",
    rate: Annotated[int, typer.Option(help=f"Letters a second, 1 to {MAX_RATE}.")] = DEFAULT_RATE,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which; `rehearse` says how.")] = False,
    discarded: Annotated[bool, typer.Option("--discarded", help="Of the ids, discarded ones too.")] = False,
    row_version: RowVersionOption = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait until the consumer has applied them.")] = 0,
) -> None:
    """Send dead letters back to the consumers that gave them up."""
    from ..storage.dead_letters import Selection  # noqa: PLC0415 - as above
    from . import replays, running  # noqa: PLC0415 - as above

    if not (letters or consumer or fingerprint):
        running.fail("name ids, --consumer or --fingerprint")
    if discarded and not letters:
        running.fail("--discarded wants the ids of the letters")
    if row_version is not None and len(letters or ()) != 1:
        running.fail("--row-version belongs to a single id")
    wanted = Selection(ids=tuple(letters or ()), consumer=consumer, fingerprint=fingerprint)
    replays.replay_letters(
        wanted,
        rate=rate,
        reason=reason,
        dry_run=dry_run,
        discarded=discarded,
        row_version=row_version,
        wait=wait,
    )


@dlq.command("rehearse")
def rehearse_letters(
    letters: Annotated[list[UUID] | None, typer.Argument(help="Ids; none for a whole group.")] = None,
    consumer: ConsumerOption = None,
    fingerprint: FingerprintOption = None,
    limit: LimitOption = 1000,
    seconds: Annotated[float, typer.Option(min=1, help="When to stop asking.")] = 300,
) -> None:
    """Have the consumers say what a replay would do; nothing is replayed or changed.

    Each letter by itself: rows, events and effects, or why it would fail. Exits 0 if all would end well.
    """
    from ..storage.dead_letters import Selection  # noqa: PLC0415 - as above
    from . import rehearsals, running  # noqa: PLC0415 - as above

    if not (letters or consumer or fingerprint):
        running.fail("name ids, --consumer or --fingerprint")
    wanted = Selection(ids=tuple(letters or ()), consumer=consumer, fingerprint=fingerprint)
    rehearsals.rehearse_letters(wanted, limit=limit, seconds=seconds)


@dlq.command("replays")
def list_replays(limit: LimitOption = 20) -> None:
    """List replays, newest first: how far they are, how they ended, why one stopped."""
    from . import replays  # noqa: PLC0415 - as above

    replays.list_replays(limit)


@dlq.command("discard")
def discard_letter(
    letter: UUID,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    row_version: RowVersionOption = None,
) -> None:
    """Give a dead letter up for good; it stays readable."""
    from . import dead_letters  # noqa: PLC0415 - as above

    dead_letters.discard_letter(letter, reason, row_version)


@dlq.command("groups")
def list_groups() -> None:
    """Count open dead letters by consumer and kind of failure."""
    from . import dead_letters  # noqa: PLC0415 - as above

    dead_letters.list_groups()


edit_commands.register(dlq)

topology = typer.Typer(no_args_is_help=True, help="Exchanges, queues and bindings.")
app.add_typer(topology, name="topology")
Packages = Annotated[list[str], typer.Argument(help="threadly_<service> …")]


@topology.command("plan")
def plan_topology(packages: Packages) -> None:
    """Say what `apply` would declare."""
    _run_topology("plan", packages)


@topology.command("apply")
def apply_topology(packages: Packages) -> None:
    """Declare what is missing; what is there stays."""
    _run_topology("apply", packages)


@topology.command("check")
def check_topology(packages: Packages) -> None:
    """Say what is missing or different, a line each."""
    _run_topology("check", packages)


def _run_topology(verb: str, packages: list[str]) -> None:
    from threadly_chassis.messaging.topology_cli import main as run_topology  # noqa: PLC0415 - as above

    raise typer.Exit(run_topology([verb, *packages]))


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
    from ..use_cases.request_rebuild import Wish  # noqa: PLC0415 - as above
    from . import rebuilds  # noqa: PLC0415 - as above

    if abandon:
        rebuilds.abandon(consumer)
    else:
        rebuilds.request(Wish(consumer, tuple(from_owner or ()), rate, patience), wait)


@app.command("rebuilds")
def list_rebuilds(limit: LimitOption = 20) -> None:
    """List rebuilds, newest first: how far they are, how they ended."""
    from . import rebuilds  # noqa: PLC0415 - as above

    rebuilds.list_rebuilds(limit)


def main() -> None:
    """The `threadly` command."""
    app()

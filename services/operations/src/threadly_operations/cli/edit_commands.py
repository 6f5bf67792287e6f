"""How `threadly dlq edit | edits | approve | reject` are called.

What they do is imported when they are called (hence PLC0415), as in `threadly_operations.cli`.
"""

from typing import Annotated
from uuid import UUID

import typer

DecisionOption = Annotated[str, typer.Option("--reason", help="Why; kept in the audit trail.")]


def register(dlq: typer.Typer) -> None:
    """Add the commands to `threadly dlq`."""
    dlq.command("edit")(edit_letter)
    dlq.command("edits")(list_edits)
    dlq.command("approve")(approve)
    dlq.command("reject")(reject)


def edit_letter(
    letter: UUID,
    patch: Annotated[
        str, typer.Option(help="A file with a JSON merge patch (RFC 7396); - reads it from the input.")
    ],
    row_version: Annotated[int, typer.Option(min=1, help="The letter's, as `dlq show` said.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the edit.")],
    *,
    replace: Annotated[bool, typer.Option("--replace", help="The file is the whole body.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait until the consumer has applied it.")] = 0,
) -> None:
    """Change what a letter says and replay it; an edit of orders' events waits for another operator."""
    from . import edits  # noqa: PLC0415 - as above

    edits.edit_letter(letter, patch, row_version, reason, whole=replace, wait=wait)


def list_edits(
    edit: Annotated[UUID | None, typer.Argument(help="One edit whole, with both bodies.")] = None,
    letter: Annotated[UUID | None, typer.Option(help="Only this letter's.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Not only those that wait.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """List edits that wait for a second person, newest first, with what they change."""
    from . import edits  # noqa: PLC0415 - as above

    if edit:
        edits.show_edit(edit)
    else:
        edits.list_edits(letter, limit, everything=everything or letter is not None)


def approve(
    edit: UUID,
    reason: DecisionOption = "",
    wait: Annotated[float, typer.Option(help="Seconds to wait until the consumer has applied it.")] = 0,
) -> None:
    """Replay a letter with the body that another operator has proposed."""
    from . import edits  # noqa: PLC0415 - as above

    edits.approve_proposal(edit, reason, wait)


def reject(edit: UUID, reason: DecisionOption = "") -> None:
    """Leave a letter as it is."""
    from . import edits  # noqa: PLC0415 - as above

    edits.reject_proposal(edit, reason)

"""Running a command's work on operations' own database, and telling how it went."""

import asyncio
import os
import pwd
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from threadly_chassis.clock import Clock, SystemClock
from threadly_chassis.db import Database
from threadly_chassis.errors import ThreadlyError

from ..domain.edit import COMMAND_LINE
from ..settings import OperationsSettings

Result = TypeVar("Result")

#: A pipe has no width; ids must come out whole there.
out = Console(width=None if sys.stdout.isatty() else 240)


@dataclass(frozen=True)
class Tools:
    """What a command works with: no broker, the worker is the one who sends."""

    db: Database
    clock: Clock


def run(work: Callable[[Tools], Awaitable[Result]]) -> Result:
    """Run a command's work; one line and exit code 1 when it fails."""

    async def whole() -> Result:
        db = Database.open(OperationsSettings())
        try:
            return await work(Tools(db, SystemClock()))
        finally:
            await db.close()

    try:
        return asyncio.run(whole())
    except ValidationError as fault:
        missing = ", ".join(str(part["loc"][-1]) for part in fault.errors())
        fail(f"settings are missing or wrong: {missing} (set THREADLY_OPERATIONS_… or THREADLY_…)")
    except ThreadlyError as fault:
        fail(f"{fault.title}. {fault.detail}".strip())
    except (SQLAlchemyError, OSError) as fault:
        fail(f"operations' database does not answer ({type(fault).__name__})")


def fail(line: str) -> NoReturn:
    """Say why, and end with exit code 1."""
    sys.stderr.write(f"threadly: {line}\n")
    raise typer.Exit(1)


def operator() -> str:
    """Who the audit trail says it was: the account that runs the command. `LOGNAME` is anybody's to set."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return COMMAND_LINE + name

"""The operator's switch that makes a consumer fail on purpose; it works in sandbox mode only.

`python -m threadly_chassis.messaging.faults set threadly_catalog catalog.stock "shelf is locked" --permanent`
and `… clear threadly_catalog catalog.stock`. The switch is a row in the service's own database, so it acts on
running workers from the next message on.
"""

import argparse
import os
import sys

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ..errors import Permanent, Retryable

_ACTIVE = text("select 1 from consumer_fault where consumer = :consumer and remaining is distinct from 0")
_CLAIM = text(
    "update consumer_fault set remaining = remaining - 1 "
    "where consumer = :consumer and remaining is distinct from 0 returning error, permanent"
)
_SET = (
    "insert into consumer_fault (consumer, error, permanent, remaining) values (%s, %s, %s, %s) "
    "on conflict (consumer) do update set error = excluded.error, permanent = excluded.permanent, "
    "remaining = excluded.remaining"
)


class FailedOnPurpose(Retryable):
    """The switch is set: this message goes down the ladder."""

    code = "failed-on-purpose"


class FailedForGoodOnPurpose(Permanent):
    """The switch is set to permanent: this message goes to the dead letters."""

    code = "failed-on-purpose"


class FaultSwitch:
    """Reads the switch of a consumer."""

    def __init__(self, engine: AsyncEngine, *, enabled: bool) -> None:
        self._engine = engine
        self._enabled = enabled

    async def is_set(self, consumer: str) -> bool:
        """Whether the consumer is to fail."""
        if not self._enabled:
            return False
        async with self._engine.connect() as connection:
            return (await connection.execute(_ACTIVE, {"consumer": consumer})).first() is not None

    async def trip(self, consumer: str) -> None:
        """Raise on behalf of one message if the switch is set; each raise uses up one of `remaining`."""
        async with self._engine.begin() as connection:
            row = (await connection.execute(_CLAIM, {"consumer": consumer})).first()
        if row is not None:
            raise (FailedForGoodOnPurpose if row.permanent else FailedOnPurpose)(row.error)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("set", "clear"):
        command = verbs.add_parser(verb)
        command.add_argument("package", help="threadly_<service>")
        command.add_argument("consumer")
        if verb == "set":
            command.add_argument("reason")
            command.add_argument("--permanent", action="store_true", help="to the dead letters at once")
            command.add_argument("--times", type=int, help="fail this many messages, then stop")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Set or clear a consumer's switch; returns the exit code."""
    given = _parse(arguments)
    url = os.environ.get(f"{given.package.upper()}_DATABASE_URL")
    if not url:
        sys.stderr.write(f"faults: {given.package.upper()}_DATABASE_URL is not set\n")
        return 2
    if os.environ.get("THREADLY_MODE", "sandbox") != "sandbox":
        sys.stderr.write("faults: consumers fail on purpose in sandbox mode only\n")
        return 2
    with psycopg.connect(url) as connection:
        if given.verb == "set":
            connection.execute(_SET, (given.consumer, given.reason, given.permanent, given.times))
        else:
            connection.execute("delete from consumer_fault where consumer = %s", (given.consumer,))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

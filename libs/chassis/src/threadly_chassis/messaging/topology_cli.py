"""`python -m threadly_chassis.messaging.topology_cli plan|apply|check threadly_<service> …`.

`check` looks at what is declared, tries out what the broker does with such queues (`effective`), and asks the
management interface at `THREADLY_AMQP_MANAGEMENT_URL` for what AMQP cannot say (`bindings`).
"""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from http.client import HTTPException
from importlib import import_module
from typing import Final
from urllib.parse import unquote, urlsplit

from aio_pika.connection import make_url
from aiormq.exceptions import (
    AMQPChannelError,
    ChannelPreconditionFailed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from ..rebuild.control import with_rebuild_control
from ..settings import ServiceSettings
from .bindings import differences
from .connection import BROKER_ERRORS, BrokerConnection
from .discards import with_discards
from .effective import probe
from .ladder import Ladder, LadderError
from .management import Management
from .subscriptions import Subscriptions
from .topology import Topology, apply_patiently

_VERBS: Final = ("plan", "apply", "check")
_BROKER, _MANAGEMENT, _LADDER = "THREADLY_AMQP_URL", "THREADLY_AMQP_MANAGEMENT_URL", "THREADLY_RETRY_LADDER"


class _Refused(Exception):
    """Why there is no answer, in a line."""


def main(arguments: Sequence[str]) -> int:
    """Plan, apply or check the topology of the packages named; returns the exit code.

    1: something is missing or different, or there is no answer; 2: that is no command.
    """
    verb, packages = (arguments[0], arguments[1:]) if arguments else ("", ())
    if verb not in _VERBS or not packages:
        sys.stderr.write(f"usage: topology {'|'.join(_VERBS)} threadly_<service> …\n")
        return 2
    # It logs what we say below.
    logging.getLogger("aiormq").addHandler(logging.NullHandler())
    try:
        topology = Topology(map(_table, packages), _ladder())
        lines, is_well = topology.plan(), True
        if verb != "plan":
            lines, is_well = asyncio.run(_asked(verb, topology))
    except _Refused as why:
        sys.stderr.write(f"topology: {why}\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0 if is_well else 1


def _table(package: str) -> Subscriptions:
    module, none = f"{package}.subscriptions", _Refused(f"{package} is no service with subscriptions")
    if not all(map(str.isidentifier, package.split("."))):
        raise none
    try:
        table = getattr(import_module(module), "SUBSCRIPTIONS", None)
    except ModuleNotFoundError as missing:
        # What the module itself imports in vain is a bug, and shown as one.
        if not f"{module}.".startswith(f"{missing.name}."):
            raise
        raise none from None
    if not isinstance(table, Subscriptions):
        raise none
    return with_discards(with_rebuild_control(table))


def _ladder() -> Ladder:
    try:
        given = os.environ.get(_LADDER)
        return Ladder(given.split(",") if given else ServiceSettings.model_fields["retry_ladder"].default)
    except LadderError as wrong:
        raise _Refused(f"{_LADDER}: {wrong}") from None


async def _asked(verb: str, topology: Topology) -> tuple[list[str], bool]:
    connection, vhost = _connection()
    try:
        if verb == "apply":
            await apply_patiently(topology, connection)
            return [], True
        return await _check(topology, connection, vhost)
    except BROKER_ERRORS as error:
        raise _Refused(_why(error)) from None
    finally:
        await connection.close()


def _connection() -> tuple[BrokerConnection, str]:
    """The broker that is named, and the virtual host there; aiormq says `KeyError` to another scheme."""
    if not (url := os.environ.get(_BROKER)):
        raise _Refused(f"{_BROKER} is not set")
    no_address = _Refused(f"{_BROKER} is no address of a broker")
    try:
        parts, connection = make_url(url), BrokerConnection(url, "threadly topology")
    except ValueError:
        raise no_address from None
    if parts.scheme not in {"amqp", "amqps"} or not parts.host:
        raise no_address
    return connection, unquote(urlsplit(url).path[1:]) or "/"


def _why(error: BaseException) -> str:
    match error:
        case ProbableAuthenticationError():
            return f"the broker refuses the user and password of {_BROKER}"
        case ChannelPreconditionFailed():
            return f"the broker has it with other arguments: {error.args[0]}"
        case AMQPChannelError():
            return f"the broker refuses it: {error}"
        case InvalidFrameError():
            # What aiormq 7.2.4 makes of the broker's refusal to open a virtual host.
            return f"the broker has no virtual host as {_BROKER} names it for this user"
        case _:
            return f"no broker answers at {_BROKER}: {type(error).__name__}"


async def _check(topology: Topology, connection: BrokerConnection, vhost: str) -> tuple[list[str], bool]:
    problems = await topology.check(await connection.get())
    seen, is_as_planned = await asyncio.to_thread(_seen, topology, vhost)
    if problems or not is_as_planned:
        # Trying things out declares what all queues share, and would mend some of it.
        return [*problems, *seen, "what the broker does with it: not tried out while that is so"], False
    findings = await probe(await connection.get())
    return [*seen, *map(str, findings)], all(finding.holds for finding in findings)


def _seen(topology: Topology, vhost: str) -> tuple[list[str], bool]:
    what = "bindings and policies:"
    if not (url := os.environ.get(_MANAGEMENT)):
        return [f"{what} not looked at, {_MANAGEMENT} is not set"], True
    try:
        management = Management(url)
    except ValueError:
        return [f"{what} {_MANAGEMENT} is no http address, or its password is not percent-encoded"], False
    try:
        found = differences(topology, management, vhost)
    except OSError as error:
        return [f"{what} {management.address} does not answer ({error})"], False
    except (HTTPException, ValueError, TypeError, KeyError) as error:
        return [f"{what} {management.address} is something else ({type(error).__name__})"], False
    return found, not found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

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

from aiormq.exceptions import (
    AMQPChannelError,
    AMQPError,
    ChannelPreconditionFailed,
    ProbableAuthenticationError,
)

from ..rebuild.control import with_rebuild_control
from .bindings import differences
from .connection import BrokerConnection
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
    module = f"{package}.subscriptions"
    try:
        return with_discards(with_rebuild_control(import_module(module).SUBSCRIPTIONS))
    except ModuleNotFoundError as missing:
        if not module.startswith(f"{missing.name}"):
            raise
        raise _Refused(f"{package} is no service with subscriptions") from None


def _ladder() -> Ladder:
    try:
        return Ladder(os.environ.get(_LADDER, "5s,30s,2m,10m,1h").split(","))
    except LadderError as wrong:
        raise _Refused(f"{_LADDER}: {wrong}") from None


async def _asked(verb: str, topology: Topology) -> tuple[list[str], bool]:
    if not (url := os.environ.get(_BROKER)):
        raise _Refused(f"{_BROKER} is not set")
    connection = BrokerConnection(url, "threadly topology")
    try:
        if verb == "apply":
            await apply_patiently(topology, connection)
            return [], True
        return await _check(topology, connection, url)
    except ProbableAuthenticationError:
        raise _Refused(f"the broker refuses the user and password of {_BROKER}") from None
    except ChannelPreconditionFailed as different:
        raise _Refused(f"the broker has it with other arguments: {different.args[0]}") from None
    except AMQPChannelError as refused:
        raise _Refused(f"the broker refuses it: {refused}") from None
    except (AMQPError, OSError, ValueError) as broken:
        raise _Refused(f"no broker answers at {_BROKER}: {type(broken).__name__}") from None
    finally:
        await connection.close()


async def _check(topology: Topology, connection: BrokerConnection, url: str) -> tuple[list[str], bool]:
    problems = await topology.check(await connection.get())
    seen, is_as_planned = await asyncio.to_thread(_seen, topology, unquote(urlsplit(url).path[1:]) or "/")
    findings = await probe(await connection.get())
    is_well = not problems and is_as_planned and all(finding.holds for finding in findings)
    return [*problems, *seen, *map(str, findings)], is_well


def _seen(topology: Topology, vhost: str) -> tuple[list[str], bool]:
    if not (url := os.environ.get(_MANAGEMENT)):
        return [f"bindings and policies: not looked at, {_MANAGEMENT} is not set"], True
    management = Management(url)
    try:
        found = differences(topology, management, vhost)
    except (OSError, HTTPException, ValueError) as error:
        return [f"bindings and policies: {management.address} does not answer ({error})"], False
    return found, not found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

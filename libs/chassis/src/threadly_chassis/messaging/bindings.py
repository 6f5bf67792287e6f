"""Which bindings and policies a broker really has, against what a topology wants.

AMQP cannot ask for either. A binding that somebody has removed costs its consumer every event of that type
without a word (F10 is only seen where no other consumer wants the type), one that has been left behind brings
events that nobody handles, and a policy can make a correctly declared queue drop what is in it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from .management import Management
from .topology import Binding, Queue, Topology

#: What takes messages away, or refuses them, unless a queue's own argument is as small: the smaller holds.
_LIMITS: Final = frozenset({"delivery-limit", "expires", "max-length", "max-length-bytes", "message-ttl"})
_FOR_QUEUES: Final = frozenset({"all", "queues", "quorum_queues"})


def differences(topology: Topology, management: Management, vhost: str) -> list[str]:
    """Say what is missing, left behind or changed by a policy, a line each. It blocks while it asks.

    Raises `OSError` without an answer, and `HTTPException`, `ValueError`, `TypeError` or `KeyError` when what
    answers is no management interface.
    """
    here = quote(vhost, safe="")
    queues = {queue.name: queue for queue in topology.queues}
    found = {
        Binding(bound["source"], bound["destination"], bound["routing_key"])
        for bound in management.call("GET", f"bindings/{here}")
        # Every queue is bound to the nameless exchange by its own name; nobody can change that.
        if bound["source"] and bound["destination_type"] == "queue" and bound["destination"] in queues
    }
    wanted = set(topology.bindings)
    return [
        *(f"{_shown(binding)} is missing" for binding in sorted(wanted - found)),
        *(f"{_shown(binding)} is not planned" for binding in sorted(found - wanted)),
        # One of each kind works on a queue.
        *_harm(queues.values(), management.call("GET", f"policies/{here}")),
        *_harm(queues.values(), management.call("GET", f"operator-policies/{here}")),
    ]


def _harm(queues: Iterable[Queue], policies: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for queue in queues:
        for policy in _holding(policies, queue.name):
            for name, value in sorted(policy["definition"].items()):
                if _takes_away(queue, name, value):
                    yield f"queue {queue.name} has {name}={value} by the policy {policy['name']}"


def _holding(policies: Sequence[Mapping[str, Any]], queue: str) -> list[Mapping[str, Any]]:
    """The policies that work on a queue, or may: better named in vain than overlooked.

    Of those that match it is the one of the highest priority, of equal ones any; whether one matches whose
    pattern cannot be read here, nobody knows.
    """
    found = [(policy, _matches(policy, queue)) for policy in policies]
    highest = max((policy["priority"] for policy, matches in found if matches), default=None)
    return [
        policy
        for policy, matches in found
        if matches is not False and (highest is None or policy["priority"] >= highest)
    ]


def _matches(policy: Mapping[str, Any], queue: str) -> bool | None:
    """None: the pattern is one of Erlang's that Python cannot read, or reads otherwise (`[[:alpha:]]`)."""
    if policy["apply-to"] not in _FOR_QUEUES:
        return False
    try:
        return None if "[[:" in policy["pattern"] else re.search(policy["pattern"], queue) is not None
    except re.error:
        return None


def _takes_away(queue: Queue, name: str, value: Any) -> bool:
    own = queue.arguments.get(f"x-{name}")
    if name == "overflow":
        # The policy wins: without `reject-publish` dead letters that cannot be placed at once are dropped.
        return own is not None and value != own
    return name in _LIMITS and (not isinstance(own, int) or not own <= value)


def _shown(binding: Binding) -> str:
    return f"binding {binding.exchange} --{binding.routing_key or '*'}--> {binding.queue}"

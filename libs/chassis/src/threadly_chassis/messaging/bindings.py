"""Which bindings and policies a broker really has, against what a topology wants.

AMQP cannot ask for either. A binding that somebody has removed costs its consumer every event of that type
without a word (F10 is only seen where no other consumer wants the type), one that has been left behind brings
events that nobody handles, and a policy can make a correctly declared queue drop what is in it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final
from urllib.parse import quote

from .management import Management
from .topology import Binding, Topology

#: What no queue of ours may be given by a policy: each takes messages away, or refuses them.
_HARMFUL: Final = frozenset({"delivery-limit", "expires", "max-length", "max-length-bytes", "message-ttl"})
_FOR_QUEUES: Final = frozenset({"all", "queues", "quorum_queues"})


def differences(topology: Topology, management: Management, vhost: str) -> list[str]:
    """Say what is missing, left behind or changed by a policy, a line each; raises `OSError`.

    It blocks while it asks.
    """
    here = quote(vhost, safe="")
    queues = sorted(queue.name for queue in topology.queues)
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
        # The two kinds work together: the smaller of two limits holds.
        *_harm(queues, management.call("GET", f"policies/{here}")),
        *_harm(queues, management.call("GET", f"operator-policies/{here}")),
    ]


def _harm(queues: Sequence[str], policies: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the policies of one kind do to the queues: of those that match, the highest priority's holds."""
    for queue in queues:
        matching = [policy for policy in policies if _matches(policy, queue)]
        if matching:
            policy = max(matching, key=itemgetter("priority"))
            for name in sorted(policy["definition"].keys() & _HARMFUL):
                yield f"queue {queue} has {name}={policy['definition'][name]} by the policy {policy['name']}"


def _matches(policy: Mapping[str, Any], queue: str) -> bool:
    try:
        return policy["apply-to"] in _FOR_QUEUES and re.search(policy["pattern"], queue) is not None
    except re.error:
        # Erlang's patterns are a little richer than ours; better named in vain than overlooked.
        return True


def _shown(binding: Binding) -> str:
    return f"binding {binding.exchange} --{binding.routing_key or '*'}--> {binding.queue}"

"""What is being done right now: the ids that tie logs, events and errors of one action together."""

from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class ActionContext:
    """One request, message or scheduled run (R-OBS-04 to R-OBS-07).

    `correlation_id` is the id of the request that began it all; `causation_id` is the id of the message
    whose handling this is. The counters are filled by the database, the cache and the provider adapters.
    """

    operation: str = ""
    request_id: str = ""
    correlation_id: str = ""
    causation_id: str | None = None
    user_id: str | None = None
    session_id: str = ""
    user_agent: str = ""
    ip_address: str = ""
    database_queries: int = 0
    database_seconds: float = 0.0
    cache_requests: int = 0
    cache_hits: int = 0
    external_calls: int = 0
    is_rehearsal: bool = False
    """Nothing of it lasts, and nobody is to be told of it."""
    extras: dict[str, str] = field(default_factory=dict)

    @property
    def cache_hit_rate(self) -> float | None:
        """Hits by requests; None when the cache was not asked."""
        return self.cache_hits / self.cache_requests if self.cache_requests else None


_current: ContextVar[ActionContext | None] = ContextVar("threadly_action", default=None)


def action_under_way() -> ActionContext | None:
    """The action under way; None outside any."""
    return _current.get()


def current_action() -> ActionContext:
    """The action under way; a fresh, unattached one outside any."""
    return _current.get() or ActionContext()


def begin_action(context: ActionContext) -> None:
    """Make `context` the action of the current task and of those it starts."""
    _current.set(context)

"""The catalogue of metrics; no other file names one."""

from prometheus_client import Counter, Gauge, Histogram

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

HTTP_SECONDS = Histogram(
    "threadly_http_request_seconds", "Time to answer", ("route", "method", "status"), buckets=_FAST
)
DATABASE_SECONDS = Histogram("threadly_database_query_seconds", "Time of one statement", buckets=_FAST)
CACHE_REQUESTS = Counter("threadly_cache_requests", "Look-ups in the cache", ("result",))
ERRORS = Counter("threadly_errors", "Errors that reached the boundary", ("kind", "name"))
EVENTS_APPENDED = Counter("threadly_outbox_appended", "Events appended to the outbox", ("type",))
OUTBOX_PUBLISHED = Counter("threadly_outbox_published", "Events confirmed by the broker")
OUTBOX_PENDING = Gauge("threadly_outbox_pending", "Events waiting to be published")
OUTBOX_OLDEST_SECONDS = Gauge("threadly_outbox_oldest_seconds", "Age of the oldest waiting event")
OUTBOX_BLOCKED = Gauge("threadly_outbox_blocked", "Aggregates whose events cannot be published")
OUTBOX_PARTITIONS_AHEAD = Gauge(
    "threadly_outbox_partitions_ahead", "Partitions of the log behind the one that is being written"
)
PARTITIONS_HELD = Gauge(
    "threadly_partitions_held", "Partitions past their retention that something still needs", ("by",)
)
DEFAULT_PARTITION_ROWS = Gauge(
    "threadly_default_partition_rows", "Rows for which no partition was made in time", ("table",)
)
RELAY_CONFIRM_SECONDS = Histogram(
    "threadly_relay_confirm_seconds", "Batch write to last confirm", buckets=_FAST
)
CONSUMED = Counter("threadly_consumed", "Messages settled, by outcome", ("consumer", "outcome"))
APPLY_SECONDS = Histogram(
    "threadly_commit_to_apply_seconds",
    "From an event's append to its application",
    ("consumer",),
    buckets=_FAST,
)
CONSUMER_PAUSED = Gauge(
    "threadly_consumer_paused", "1 while a consumer is paused because everything fails", ("consumer",)
)
STREAMS_BLOCKED = Gauge("threadly_streams_blocked", "Strict streams held up by a failed event", ("consumer",))
EVENTS_PARKED = Gauge(
    "threadly_events_parked", "Events waiting for their turn in strict streams", ("consumer",)
)
STREAM_GAPS = Gauge(
    "threadly_stream_gaps", "Strict streams that lack a version for longer than they should", ("consumer",)
)
RESENT = Counter("threadly_outbox_resent", "Events sent again for one reader that lacks them", ("consumer",))
DOUBTED = Gauge(
    "threadly_streams_doubted", "Aggregates whose owner was asked whether it knows their event", ("consumer",)
)
ORPHANS = Gauge(
    "threadly_streams_orphaned", "Aggregates that a reader holds and no owner has an event of", ("consumer",)
)
SCHEDULE_RUNS = Counter("threadly_schedule_runs", "Scheduled runs, by outcome", ("schedule", "outcome"))
PROVIDER_SECONDS = Histogram(
    "threadly_provider_call_seconds", "Time of a call to an outside provider", ("provider", "call", "outcome")
)
DOMAIN_EVENTS = Counter("threadly_domain", "Business facts worth counting, named by the service", ("what",))

# ruff: noqa: INP001 - Alembic loads revisions by path
"""The event core: outbox, inbox, schedules, idempotency, synchronisation with providers.

Outbox and inbox as in the event design (log plus pending pointers, inbox partitioned by the time in a
UUIDv7); idempotency keys as in draft-ietf-httpapi-idempotency-key-header; `sync_*` R-SYNC-02 to R-SYNC-04.
"""

from alembic import op

revision = "chassis_0001"
down_revision = None
branch_labels = None
depends_on = None

_OUTBOX = """
create table outbox_event (
    id bigint generated always as identity,
    shard smallint not null,
    event_id uuid not null,
    agg_type text not null,
    agg_id text not null,
    agg_version bigint not null,
    event_type text not null,
    schema_major smallint not null,
    headers jsonb not null,
    payload bytea not null,
    tenant text,
    created_at timestamptz not null default clock_timestamp(),
    primary key (id)
) partition by range (id);
create table outbox_event_p0 partition of outbox_event for values from (0) to (5000000);
create table outbox_event_default partition of outbox_event default;
create index ix_outbox_event_aggregate on outbox_event (agg_type, agg_id, agg_version);

create table outbox_pending (shard smallint, id bigint, primary key (shard, id)) with (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);
create table outbox_scheduled (
    due_at timestamptz, id bigint, shard smallint not null, cancel_key text, primary key (due_at, id)
);
create index ix_outbox_scheduled_cancel_key on outbox_scheduled (cancel_key) where cancel_key is not null;

create table outbox_shard (
    shard smallint primary key, enabled boolean not null default true, backoff_until timestamptz
);
insert into outbox_shard (shard) select generate_series(0, 15);

create table outbox_blocked (
    agg_type text,
    agg_id text,
    from_version bigint not null,
    reason text not null,
    since timestamptz not null default clock_timestamp(),
    primary key (agg_type, agg_id)
);
"""

_INBOX = """
create table inbox (
    consumer text,
    event_id uuid,
    applied_at timestamptz not null default clock_timestamp(),
    primary key (consumer, event_id)
) partition by range (event_id);
create table inbox_default partition of inbox default;

create table inbox_stream (
    consumer text,
    agg_type text,
    agg_id text,
    epoch integer not null,
    version bigint not null,
    last_event_id uuid,
    blocked_by uuid,
    primary key (consumer, agg_type, agg_id)
);
create table inbox_parked (
    consumer text,
    event_id uuid,
    agg_type text not null,
    agg_id text not null,
    epoch integer not null,
    version bigint not null,
    routing_key text not null,
    headers jsonb not null,
    payload bytea not null,
    parked_at timestamptz not null default clock_timestamp(),
    primary key (consumer, event_id)
);
create index ix_inbox_parked_stream on inbox_parked (consumer, agg_type, agg_id, epoch, version);
"""

_RUNTIME = """
create table consumer_fault (
    consumer text primary key,
    error text not null,
    permanent boolean not null,
    remaining integer check (remaining >= 0)
);
create table schedule_lease (
    name text primary key,
    holder text,
    leased_until timestamptz not null default '-infinity',
    next_run_at timestamptz not null default '-infinity',
    last_started_at timestamptz,
    last_finished_at timestamptz,
    last_error text
);
"""

_EDGE = """
create table idempotency_key (
    principal text,
    route text,
    key text,
    request_hash text not null,
    status smallint,
    headers jsonb,
    body bytea,
    created_at timestamptz not null default clock_timestamp(),
    primary key (principal, route, key)
);
create index ix_idempotency_key_created_at on idempotency_key (created_at);

create table sync_event (
    service text,
    event_id text,
    event_type text not null,
    processed_at timestamptz not null default clock_timestamp(),
    primary key (service, event_id)
);
create table sync_watermark (service text primary key, last_sync_at timestamptz not null);
create table sync_mapping (
    service text,
    local_id text,
    external_id text not null,
    sync_status text not null,
    last_sync_at timestamptz not null default clock_timestamp(),
    primary key (service, local_id),
    unique (service, external_id)
);
"""

_TABLES = (
    "outbox_event, outbox_pending, outbox_scheduled, outbox_shard, outbox_blocked, inbox, inbox_stream, "
    "inbox_parked, consumer_fault, schedule_lease, idempotency_key, sync_event, sync_watermark, sync_mapping"
)


def upgrade() -> None:
    for script in (_OUTBOX, _INBOX, _RUNTIME, _EDGE):
        op.execute(script)


def downgrade() -> None:
    op.execute(f"drop table {_TABLES}")

# ruff: noqa: INP001 - Alembic loads revisions by path
"""Rebuilds: what an owner streams (source), what a reader expects (reader, share) and was sent (applied)."""

from alembic import op

revision = "chassis_0002"
down_revision = "chassis_0001"
branch_labels = None
depends_on = None

_SOURCE = """
create table rebuild_source (
    rebuild_id uuid primary key,
    consumer text not null,
    event_types text[] not null,
    rate integer not null check (rate > 0),
    state text not null default 'restating' check (
        state in ('restating', 'bounding', 'fencing', 'waiting', 'streaming', 'streamed', 'abandoned')
    ),
    last_id bigint,
    fence xid8,
    position bigint not null default 0,
    sent bigint not null default 0,
    total bigint,
    aggregates bigint,
    checksum text,
    next_at timestamptz not null default clock_timestamp(),
    told_at timestamptz not null default '-infinity',
    begun_at timestamptz not null default clock_timestamp()
);
create index ix_rebuild_source_active on rebuild_source (next_at)
    where state not in ('streamed', 'abandoned');
"""

_READER = """
create table rebuild_reader (
    rebuild_id uuid primary key,
    consumer text not null,
    state text not null check (state in ('running', 'equal', 'different', 'abandoned')),
    patience_seconds integer not null,
    begun_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz
);
create unique index uq_rebuild_reader_running on rebuild_reader (consumer) where state = 'running';

create table rebuild_share (
    rebuild_id uuid,
    owner text,
    aggregate_types text[] not null,
    events bigint,
    aggregates bigint,
    checksum text,
    streamed_at timestamptz,
    primary key (rebuild_id, owner)
);
create table rebuild_applied (
    rebuild_id uuid,
    owner text,
    agg_type text,
    agg_id text,
    epoch integer not null,
    version bigint not null,
    handled boolean not null,
    noted_at timestamptz not null default clock_timestamp(),
    primary key (rebuild_id, owner, agg_type, agg_id)
);
"""


def upgrade() -> None:
    for script in (_SOURCE, _READER):
        op.execute(script)


def downgrade() -> None:
    op.execute("drop table rebuild_source, rebuild_reader, rebuild_share, rebuild_applied")

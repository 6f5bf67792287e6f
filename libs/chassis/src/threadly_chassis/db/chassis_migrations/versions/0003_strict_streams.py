# ruff: noqa: INP001 - Alembic loads revisions by path
"""Strict streams: the head that holds a stream up, gaps and what was done about them, start markers.

`inbox_parked` was made by chassis_0001 and written by nobody before this revision, so its new columns need
no values for old rows.
"""

from alembic import op

revision = "chassis_0003"
down_revision = "chassis_0002"
branch_labels = None
depends_on = None

_UPGRADE = """
alter table inbox_stream
    add column blocked_version bigint,
    add column parked integer not null default 0 check (parked >= 0),
    add column gap_since timestamptz,
    add column asked_at timestamptz,
    add column alerted_at timestamptz,
    add column gap_head uuid;
create index ix_inbox_stream_waiting on inbox_stream (consumer) where parked > 0 or blocked_by is not null;

alter table inbox_parked
    add column from_version bigint not null,
    add column starts integer not null default 0;
drop index ix_inbox_parked_stream;
create index ix_inbox_parked_stream on inbox_parked (consumer, agg_type, agg_id, epoch, from_version);

create table consumer_start (
    consumer text,
    message_id text,
    starts integer not null,
    started_at timestamptz not null default clock_timestamp(),
    primary key (consumer, message_id)
);
"""
_DOWNGRADE = """
drop table consumer_start;
drop index ix_inbox_parked_stream;
create index ix_inbox_parked_stream on inbox_parked (consumer, agg_type, agg_id, epoch, version);
alter table inbox_parked drop column from_version, drop column starts;
drop index ix_inbox_stream_waiting;
alter table inbox_stream drop column blocked_version, drop column parked, drop column gap_since,
    drop column asked_at, drop column alerted_at, drop column gap_head;
"""


def upgrade() -> None:
    op.execute(_UPGRADE)


def downgrade() -> None:
    op.execute(_DOWNGRADE)

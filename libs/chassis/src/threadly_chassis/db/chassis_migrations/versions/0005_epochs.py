# ruff: noqa: INP001 - Alembic loads revisions by path
"""Epochs: which history this database tells, what it holds of owners that forked, what it has to hear again.

`outbox_epoch` is read and raised by each new connection (`db.epoch`). `inbox_epoch` says since which event a
consumer's streams of one kind of aggregate are doubted, `inbox_claim` which of them are being asked about,
`inbox_catch_up` how far owners have sent again what this database has forgotten (`forks`).
"""

from alembic import op

revision = "chassis_0005"
down_revision = "chassis_0004"
branch_labels = None
depends_on = None

_UPGRADE = """
create table outbox_epoch (
    is_only_row boolean primary key default true check (is_only_row),
    epoch integer not null,
    system_identifier bigint not null,
    timeline integer not null,
    since timestamptz not null,
    raised_at timestamptz not null default clock_timestamp(),
    announced_at timestamptz
);
insert into outbox_epoch (epoch, system_identifier, timeline, since, announced_at)
select 0, system_identifier, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer,
       clock_timestamp(), clock_timestamp()
from pg_control_system();

create table inbox_epoch (
    consumer text,
    agg_type text,
    owner text not null,
    epoch integer not null,
    since uuid not null,
    primary key (consumer, agg_type)
);
create table inbox_claim (
    consumer text,
    agg_type text,
    agg_id text,
    event_id uuid not null,
    owner text not null,
    is_orphan boolean not null default false,
    asked_at timestamptz,
    noted_at timestamptz not null default clock_timestamp(),
    primary key (consumer, agg_type, agg_id)
);
create table inbox_catch_up (
    consumer text,
    owner text,
    since timestamptz not null,
    position bigint not null default 0,
    until bigint,
    asked_at timestamptz,
    ended_at timestamptz,
    primary key (consumer, owner)
);
"""


def upgrade() -> None:
    op.execute(_UPGRADE)


def downgrade() -> None:
    op.execute("drop table inbox_catch_up, inbox_claim, inbox_epoch, outbox_epoch")

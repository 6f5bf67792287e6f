# ruff: noqa: INP001 - Alembic loads revisions by path
"""Retention: how far back the inbox remembers, and an index by which timers hold their partition.

`inbox_window.floor` rises in the transaction that drops an inbox partition: an event with a smaller id may
have been applied and forgotten.
"""

from alembic import op

revision = "chassis_0004"
down_revision = "chassis_0003"
branch_labels = None
depends_on = None

_UPGRADE = """
create table inbox_window (
    is_only_row boolean primary key default true check (is_only_row),
    floor uuid not null
);
insert into inbox_window (floor) values ('00000000-0000-0000-0000-000000000000');
create index ix_outbox_scheduled_id on outbox_scheduled (id);
"""


def upgrade() -> None:
    op.execute(_UPGRADE)


def downgrade() -> None:
    op.execute("drop index ix_outbox_scheduled_id; drop table inbox_window")

# ruff: noqa: INP001 - Alembic loads revisions by path
"""Appending as a function: its plans are kept by the session whatever becomes of prepared statements.

psycopg deallocates all of a connection's with each rollback, and a transaction pooler knows none. It adds the
epoch, which nobody else has to know. `due_at` is null for an event that leaves at once.
"""

from alembic import op

revision = "chassis_0006"
down_revision = "chassis_0005"
branch_labels = None
depends_on = None

_UPGRADE = """
create function outbox_append(
    shard smallint, event_id uuid, agg_type text, agg_id text, agg_version bigint, event_type text,
    schema_major smallint, headers jsonb, payload bytea, due_at timestamptz, cancel_key text
) returns void language plpgsql as $$
declare
    appended bigint;
begin
    insert into outbox_event (
        shard, event_id, agg_type, agg_id, agg_version, event_type, schema_major, headers, payload
    ) values (
        $1, $2, $3, $4, $5, $6, $7, $8 || jsonb_build_object('t-epoch', (select epoch from outbox_epoch)), $9
    ) returning id into appended;
    if $10 is null then
        insert into outbox_pending (shard, id) values ($1, appended);
    else
        insert into outbox_scheduled (due_at, id, shard, cancel_key) values ($10, appended, $1, $11);
    end if;
end
$$;
"""


def upgrade() -> None:
    op.execute(_UPGRADE)


def downgrade() -> None:
    op.execute("drop function outbox_append")

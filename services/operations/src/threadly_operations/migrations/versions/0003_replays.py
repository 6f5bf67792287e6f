"""Replays: rate, stop rule, what became of each letter. The audit trail also knows of a whole replay."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What was decided before goes on, at the rate that is the default.
ADOPT = """
insert into replay (id, status, rate, stop_failures, stop_window, selected, reason, requested_by,
                    requested_at, stopped_because)
select letter.replay_id, 'RUNNING', 200, 6, 50, count(*), coalesce(min(entry.reason), ''),
       coalesce(min(entry.actor), 'unknown'), min(letter.updated_at), ''
from dead_letter letter
left join audit_entry entry on entry.dead_letter_id = letter.id and entry.replay_id = letter.replay_id
where letter.status = 'REPLAYING' and letter.replay_id is not null
group by letter.replay_id
"""
ADOPT_LETTERS = """
insert into replay_letter (replay_id, dead_letter_id, taken_from, refusals, sent_at)
select replay_id, id, 'OPEN', 0, sent_at from dead_letter
where status = 'REPLAYING' and replay_id is not null
"""


def upgrade() -> None:
    op.create_table(
        "replay",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("rate", sa.BigInteger(), nullable=False),
        sa.Column("stop_failures", sa.BigInteger(), nullable=False),
        sa.Column("stop_window", sa.BigInteger(), nullable=False),
        sa.Column("selected", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("stopped_because", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_replay"),
    )
    op.create_index("ix_replay_status_due_at", "replay", ["status", "due_at"])
    op.create_index("ix_replay_requested_at", "replay", ["requested_at"])
    op.create_table(
        "replay_letter",
        sa.Column("replay_id", sa.Uuid(), nullable=False),
        sa.Column("dead_letter_id", sa.Uuid(), nullable=False),
        sa.Column("taken_from", sa.Text(), nullable=False),
        sa.Column("refusals", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.Text()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("replay_id", "dead_letter_id", name="pk_replay_letter"),
    )
    _index_letters(
        "unsent", ["replay_id", "refusals", "dead_letter_id"], "outcome is null and sent_at is null"
    )
    _index_letters("out", ["replay_id"], "outcome is null and sent_at is not null")
    _index_letters("ended", ["replay_id", "ended_at"], "outcome is not null")
    op.alter_column("audit_entry", "dead_letter_id", existing_type=sa.Uuid(), nullable=True)
    op.execute(ADOPT)
    op.execute(ADOPT_LETTERS)


def _index_letters(name: str, columns: list[str], where: str) -> None:
    op.create_index(f"ix_replay_letter_{name}", "replay_letter", columns, postgresql_where=sa.text(where))


def downgrade() -> None:
    op.execute("delete from audit_entry where dead_letter_id is null")
    op.alter_column("audit_entry", "dead_letter_id", existing_type=sa.Uuid(), nullable=False)
    op.drop_table("replay_letter")
    op.drop_table("replay")

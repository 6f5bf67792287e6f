"""Edits of letters: who, when, why, and both bodies. The audit trail also knows of an edit."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "letter_edit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dead_letter_id", sa.Uuid(), nullable=False),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("before", sa.LargeBinary(), nullable=False),
        sa.Column("after", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("edited_by", sa.Text(), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("decision_reason", sa.Text(), nullable=False),
        sa.Column("replay_id", sa.Uuid()),
        sa.PrimaryKeyConstraint("id", name="pk_letter_edit"),
    )
    op.create_index("ix_letter_edit_status_newest", "letter_edit", ["status", "edited_at", "id"])
    op.create_index("ix_letter_edit_dead_letter_id", "letter_edit", ["dead_letter_id"])
    op.add_column("audit_entry", sa.Column("edit_id", sa.Uuid()))


def downgrade() -> None:
    op.drop_column("audit_entry", "edit_id")
    op.drop_table("letter_edit")

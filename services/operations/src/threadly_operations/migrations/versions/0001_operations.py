"""Dead letters, the consumers they come from, and the audit trail."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "consumer",
        _text("name"),
        _text("service"),
        _text("release"),
        _time("declared_at"),
        sa.PrimaryKeyConstraint("name", name="pk_consumer"),
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.Uuid(), nullable=False),
        *(_text(name) for name in ("consumer", "message_key", "event_type", "aggregate", "subject")),
        sa.Column("version", sa.BigInteger()),
        *(_text(name) for name in ("status", "reason", "exception", "message", "stack", "fingerprint")),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("occurrences", sa.BigInteger(), nullable=False),
        _time("first_failed_at", nullable=True),
        _time("last_failed_at", nullable=True),
        *(_text(name) for name in ("trace_id", "correlation_id", "release", "host")),
        sa.Column("properties", JSONB(), nullable=False),
        sa.Column("headers", JSONB(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("replay_id", sa.Uuid()),
        _time("sent_at", nullable=True),
        _time("created_at"),
        _time("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letter"),
        sa.UniqueConstraint("consumer", "message_key", name="uq_dead_letter_consumer_message_key"),
    )
    op.create_index("ix_dead_letter_status_newest", "dead_letter", ["status", "created_at", "id"])
    op.create_index("ix_dead_letter_fingerprint", "dead_letter", ["fingerprint"])
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        _time("at"),
        _text("actor"),
        _text("action"),
        sa.Column("dead_letter_id", sa.Uuid(), nullable=False),
        _text("reason"),
        sa.Column("replay_id", sa.Uuid()),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entry"),
    )
    op.create_index("ix_audit_entry_dead_letter_id", "audit_entry", ["dead_letter_id"])


def downgrade() -> None:
    for table in ("audit_entry", "dead_letter", "consumer"):
        op.drop_table(table)

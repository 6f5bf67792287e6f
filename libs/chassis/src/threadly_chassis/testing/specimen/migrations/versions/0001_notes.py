"""A versioned aggregate, and a log of effects without any constraint, so that a double effect is seen."""

from alembic import op

revision = "specimen_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create table note (note_id text primary key, version bigint not null)")
    op.execute(
        "create table effect (id bigint generated always as identity primary key, consumer text not null, "
        "event_id uuid not null, note_id text not null, version bigint not null, text text not null, "
        "attempt int not null, applied_at timestamptz not null default clock_timestamp())"
    )


def downgrade() -> None:
    op.execute("drop table note, effect")

"""What the author owns, what the reader copies, and a log of what the reader's handler was given."""

from alembic import op

revision = "library_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create table story (story_id text primary key, version bigint not null, title text not null)")
    op.execute("create table copy (story_id text primary key, version bigint not null, title text not null)")
    op.execute(
        "create table reading (id bigint generated always as identity primary key, story_id text not null, "
        "version bigint not null, title text not null, mood text not null)"
    )


def downgrade() -> None:
    op.execute("drop table story, copy, reading")

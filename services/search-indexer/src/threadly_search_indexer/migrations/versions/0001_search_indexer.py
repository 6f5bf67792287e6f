"""The projection that searches are enriched from, and the searches clicked on."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_VECTOR = (
    "setweight(to_tsvector('simple', title), 'A') || "
    "setweight(to_tsvector('simple', coalesce(brand, '') || ' ' || coalesce(category_name, '') || ' ' || "
    "coalesce(color, '')), 'B') || setweight(to_tsvector('simple', description), 'C')"
)


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    now = sa.text("clock_timestamp()")
    op.create_table(
        "search_product",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("document_version", sa.BigInteger(), nullable=False),
        sa.Column("indexed_version", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("original_price_minor", sa.BigInteger()),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("size", sa.Text()),
        sa.Column("brand", sa.Text()),
        sa.Column("color", sa.Text()),
        sa.Column("material", sa.Text()),
        sa.Column("images", JSONB(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("category_name", sa.Text()),
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("seller_name", sa.Text()),
        sa.Column("seller_rating", sa.Float()),
        sa.Column("favorite_count", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("view_count", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("changed_at", moment, nullable=False, server_default=now),
        sa.Column("search_vector", TSVECTOR(), sa.Computed(_VECTOR, persisted=True), nullable=False),
        sa.PrimaryKeyConstraint("product_id", name="pk_search_product"),
    )
    op.create_index("ix_search_product_seller_id", "search_product", ["seller_id", "product_id"])
    op.create_index("ix_search_product_category_id", "search_product", ["category_id", "product_id"])
    op.create_index(
        "ix_search_product_search_vector", "search_product", ["search_vector"], postgresql_using="gin"
    )
    op.create_index(
        "ix_search_product_newest",
        "search_product",
        ["created_at", "product_id"],
        postgresql_where=sa.text("status = 'AVAILABLE'"),
    )
    op.create_table(
        "search_category",
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.Uuid()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("category_id", name="pk_search_category"),
    )
    op.create_index("ix_search_category_parent_id", "search_category", ["parent_id"])
    op.create_table(
        "search_seller",
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("image_url", sa.Text()),
        sa.PrimaryKeyConstraint("seller_id", name="pk_search_seller"),
    )
    op.create_table(
        "search_query",
        sa.Column("query_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("clicked_at", moment, nullable=False, server_default=now),
        sa.PrimaryKeyConstraint("query_id", name="pk_search_query"),
    )
    op.create_index("ix_search_query_clicked_at", "search_query", ["clicked_at"])


def downgrade() -> None:
    for table in ("search_query", "search_seller", "search_category", "search_product"):
        op.drop_table(table)

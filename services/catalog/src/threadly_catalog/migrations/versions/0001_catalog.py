"""Categories, products, pictures, sellers' names, and the checkouts that are over."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LISTED = sa.text("status in ('AVAILABLE', 'RESERVED')")
_NEWEST_FIRST = (sa.text("created_at desc"), sa.text("product_id desc"))
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "category",
        sa.Column("category_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("parent_id", sa.Uuid),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("category_id", name="pk_category"),
        sa.ForeignKeyConstraint(["parent_id"], ["category.category_id"], name="fk_category_parent_id"),
    )
    op.create_index("uq_category_slug", "category", ["slug"], unique=True)
    op.create_index("ix_category_parent_id", "category", ["parent_id"])
    op.create_table(
        "category_count",
        sa.Column("category_id", sa.Uuid, nullable=False),
        sa.Column("listed", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("category_id", name="pk_category_count"),
        sa.ForeignKeyConstraint(
            ["category_id"], ["category.category_id"], name="fk_category_count_category_id"
        ),
    )
    op.create_table(
        "category_count_change",
        sa.Column("change_id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("category_id", sa.Uuid, nullable=False),
        sa.Column("delta", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("change_id", name="pk_category_count_change"),
        sa.ForeignKeyConstraint(
            ["category_id"], ["category.category_id"], name="fk_category_count_change_category_id"
        ),
    )
    _products()
    op.create_table(
        "seller",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("picture", sa.Text),
        sa.PrimaryKeyConstraint("user_id", name="pk_seller"),
    )
    op.create_table(
        "ended_checkout",
        sa.Column("checkout_id", sa.Uuid, nullable=False),
        sa.Column("sold", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("ended_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("checkout_id", name="pk_ended_checkout"),
    )
    op.create_index("ix_ended_checkout_ended_at", "ended_checkout", ["ended_at"])


def _products() -> None:
    op.create_table(
        "product",
        sa.Column("product_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("seller_id", sa.Uuid, nullable=False),
        sa.Column("category_id", sa.Uuid, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("description_text", sa.Text, nullable=False),
        sa.Column("price_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("original_price_minor", sa.BigInteger),
        sa.Column("condition", sa.Text, nullable=False),
        sa.Column("size", sa.Text),
        sa.Column("brand", sa.Text),
        sa.Column("color", sa.Text),
        sa.Column("material", sa.Text),
        sa.Column("held_by", sa.Uuid),
        sa.Column("held_since", _TIME),
        sa.Column("held_until", _TIME),
        sa.Column("order_id", sa.Uuid),
        sa.Column("sold_at", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("product_id", name="pk_product"),
        sa.ForeignKeyConstraint(["category_id"], ["category.category_id"], name="fk_product_category_id"),
        sa.CheckConstraint(
            "status in ('AVAILABLE', 'RESERVED', 'SOLD', 'REMOVED')", name=op.f("ck_product_status")
        ),
        sa.CheckConstraint(
            "condition in ('NEW_WITH_TAGS', 'NEW_WITHOUT_TAGS', 'VERY_GOOD', 'GOOD', 'SATISFACTORY')",
            name=op.f("ck_product_condition"),
        ),
        sa.CheckConstraint("price_minor > 0", name=op.f("ck_product_price")),
        sa.CheckConstraint(
            "(status = 'RESERVED') = (held_by is not null) "
            "and (held_by is null) = (held_since is null) and (held_by is null) = (held_until is null)",
            name=op.f("ck_product_hold"),
        ),
        sa.CheckConstraint("(status = 'SOLD') = (order_id is not null)", name=op.f("ck_product_sold")),
    )
    op.create_index("ix_product_listed", "product", [*_NEWEST_FIRST], postgresql_where=_LISTED)
    op.create_index(
        "ix_product_category_listed", "product", ["category_id", *_NEWEST_FIRST], postgresql_where=_LISTED
    )
    op.create_index("ix_product_seller", "product", ["seller_id", *_NEWEST_FIRST])
    op.create_index(
        "ix_product_held_until", "product", ["held_until"], postgresql_where=sa.text("held_by is not null")
    )
    op.create_table(
        "product_image",
        sa.Column("product_id", sa.Uuid, nullable=False),
        sa.Column("position", sa.SmallInteger, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("alt", sa.Text),
        sa.PrimaryKeyConstraint("product_id", "position", name="pk_product_image"),
        sa.ForeignKeyConstraint(["product_id"], ["product.product_id"], name="fk_product_image_product_id"),
    )

"""Which cache tags a change makes stale (R-CACHE-02)."""

from uuid import UUID

PRODUCTS = "products"
"""Every list of products, and what is counted over all of them."""
CATEGORIES = "categories"
"""The category tree."""


def product_tag(product_id: UUID) -> str:
    """The tag of everything that shows one product."""
    return f"product:{product_id}"


def category_tag(category_id: UUID) -> str:
    """The tag of everything that shows what is in one category."""
    return f"category:{category_id}"


def tags_of_product(product_id: UUID, *category_ids: UUID | None) -> tuple[str, ...]:
    """What a change of a product makes stale; on a move both its categories are named (E068)."""
    categories = dict.fromkeys(category for category in category_ids if category is not None)
    return (product_tag(product_id), *map(category_tag, categories), PRODUCTS)


def tags_of_category(category_id: UUID) -> tuple[str, ...]:
    """What a change of a category makes stale: lists too, as a parent's shows its children's items."""
    return (CATEGORIES, category_tag(category_id), PRODUCTS)

"""Under which tags search results are cached."""

from uuid import UUID

#: Every cached search: any change of any document may change any of them (R-CACHE-02).
SEARCH = "search"


def product_tag(product_id: UUID | str) -> str:
    """Every cached search that shows a product."""
    return f"product:{product_id}"

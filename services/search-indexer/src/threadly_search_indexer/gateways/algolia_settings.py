"""How the index is to search, filter and sort: Algolia's settings as we declare them."""

from typing import Any

from ..domain.query import Sort

_RANKING = ["typo", "geo", "words", "filters", "proximity", "attribute", "exact", "custom"]

#: Each order but relevance is a replica: Algolia sorts at indexing time.
_SORTS = {
    Sort.NEWEST: "desc(created_at)",
    Sort.PRICE_ASC: "asc(price_minor)",
    Sort.PRICE_DESC: "desc(price_minor)",
}


def index_for(index: str, sort: Sort) -> str:
    """The index or replica that answers in an order."""
    return f"{index}_{sort.value}" if sort in _SORTS else index


def primary_settings(index: str) -> dict[str, Any]:
    """Settings of the primary."""
    return {
        "searchableAttributes": [
            "title",
            "brand,category_name",
            "color,material,tags",
            "seller_name",
            "unordered(description)",
        ],
        "attributesForFaceting": [
            "filterOnly(category_id)",
            "filterOnly(currency)",
            "condition",
            "size",
            "searchable(brand)",
            "color",
        ],
        "ranking": _RANKING,
        "customRanking": ["desc(created_at)"],
        "paginationLimitedTo": 5000,
        "replicas": [index_for(index, sort) for sort in _SORTS],
    }


def replica_settings(index: str) -> dict[str, dict[str, Any]]:
    """Settings of each replica, besides those it has from its primary."""
    return {index_for(index, sort): {"ranking": [first, *_RANKING]} for sort, first in _SORTS.items()}

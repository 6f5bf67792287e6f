"""A search in Algolia's words.

Filters go as `facetFilters` and `numericFilters`, which are lists of values: there is no filter language
that a value could break out of. Only a leading dash means something there, and is escaped.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ..domain.query import SearchQuery


def _facet(attribute: str, value: str) -> str:
    return f"{attribute}:\\{value}" if value.startswith("-") else f"{attribute}:{value}"


def search_params(
    query: SearchQuery, categories: Sequence[UUID], *, offset: int, length: int
) -> dict[str, Any]:
    """Translate a search; the outer list is "and", the inner ones are "or"."""
    wanted = {
        "category_id": [str(each) for each in categories],
        "currency": [query.currency] if query.currency else [],
        "condition": query.conditions,
        "size": query.sizes,
        "brand": query.brands,
        "color": query.colors,
    }
    bounds = {
        "price_minor>=": query.min_price,
        "price_minor<=": query.max_price,
        "created_at<=": query.position.pinned,
    }
    return {
        "query": query.text,
        "offset": offset,
        "length": length,
        "facetFilters": [
            [_facet(name, value) for value in values] for name, values in wanted.items() if values
        ],
        "numericFilters": [f"{name}{bound}" for name, bound in bounds.items() if bound is not None],
        "attributesToHighlight": [],
        "clickAnalytics": True,
    }

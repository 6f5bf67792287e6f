"""Search without the index: PostgreSQL's full text over the projection (architecture §2)."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from threadly_chassis.db import ReadSession

from ..domain.query import SearchQuery, Sort
from .tables import SearchProductRow as Product

_WORD = re.compile(r"\w+")


def _text_query(text: str) -> ColumnElement[Any] | None:
    """All words, the last one as a beginning, as the index reads them; None when there are none."""
    words = _WORD.findall(text.replace("_", " "))
    if not words:
        return None
    # Only letters and digits are left, so nothing in here can be tsquery's own syntax.
    return func.to_tsquery("simple", " & ".join([*words[:-1], f"{words[-1]}:*"]))


def _any_of(column: Any, values: Sequence[str]) -> ColumnElement[bool]:
    lowered: ColumnElement[bool] = func.lower(column).in_([value.lower() for value in values])
    return lowered


def _conditions(query: SearchQuery, categories: Sequence[UUID]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Product.status == "AVAILABLE"]
    if query.category_id is not None:
        conditions.append(Product.category_id.in_(categories))
    for column, values in (
        (Product.condition, query.conditions),
        (Product.size, query.sizes),
        (Product.brand, query.brands),
        (Product.color, query.colors),
    ):
        if values:
            conditions.append(_any_of(column, values))
    if query.currency is not None:
        conditions.append(Product.currency == query.currency)
    if query.min_price is not None:
        conditions.append(Product.price_minor >= query.min_price)
    if query.max_price is not None:
        conditions.append(Product.price_minor <= query.max_price)
    if query.position.pinned is not None:
        conditions.append(func.extract("epoch", Product.created_at) < query.position.pinned + 1)
    return conditions


async def find_products(
    session: ReadSession, query: SearchQuery, categories: Sequence[UUID], offset: int, length: int
) -> list[UUID]:
    """The ids of a stretch of the results, best first; equal ones newest first."""
    statement = select(Product.product_id).where(*_conditions(query, categories))
    words = _text_query(query.text)
    if words is not None:
        statement = statement.where(Product.search_vector.op("@@")(words))
    match query.sort:
        case Sort.PRICE_ASC:
            statement = statement.order_by(Product.price_minor)
        case Sort.PRICE_DESC:
            statement = statement.order_by(Product.price_minor.desc())
        case Sort.RELEVANCE if words is not None:
            statement = statement.order_by(func.ts_rank(Product.search_vector, words).desc())
    statement = statement.order_by(Product.created_at.desc(), Product.product_id.desc())
    return list((await session.scalars(statement.offset(offset).limit(length))).all())

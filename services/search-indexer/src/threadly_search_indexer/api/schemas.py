"""What the search API takes and gives."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from threadly_chassis.http import MoneyView, RequestModel, ResponseModel
from threadly_contracts.catalog import Condition

from ..domain.query import Sort

Values = Annotated[list[str], Field(max_length=50)]


class SearchRequest(BaseModel):
    """The query string; a parameter that is not known is ignored, as links gather some on their way."""

    q: str = ""
    category_id: UUID | None = None
    """The category and all below it."""
    min_price: str | None = None
    max_price: str | None = None
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")] | None = None
    """Of the price bounds; without bounds, of the products."""
    condition: Annotated[list[Condition], Field(max_length=5)] = []
    size: Values = []
    brand: Values = []
    color: Values = []
    sort: Sort = Sort.RELEVANCE
    cursor: str | None = None
    page: Annotated[int, Field(ge=1, le=250)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class SearchHit(ResponseModel):
    """One available product (R-SRCH-05)."""

    product_id: UUID
    title: str
    description: str
    """Without markup."""
    price: MoneyView
    original_price: MoneyView | None
    condition: str
    size: str | None
    brand: str | None
    color: str | None
    material: str | None
    images: list[str]
    tags: list[str]
    category_id: UUID
    category_name: str | None
    seller_id: UUID
    seller_name: str | None
    seller_rating: float | None
    favorite_count: int
    view_count: int
    is_available: bool
    created_at: datetime


class SearchPage(ResponseModel):
    """One page of results, best first."""

    data: list[SearchHit]
    next_cursor: str | None
    query_id: str
    """Name it when a result is clicked."""
    total: int | None
    """About how many match; unknown when degraded."""
    degraded: bool
    """The index is away: the database answers, without typing errors forgiven."""


class ClickedResult(RequestModel):
    """A result somebody opened."""

    query_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    product_id: UUID
    position: Annotated[int, Field(ge=1, le=5000)]
    """1 is the first result shown."""

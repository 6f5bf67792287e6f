"""What search-indexer says: what people chose from what they were shown."""

from uuid import UUID

from .event import Event
from .values import UtcDatetime


class SearchResultClicked(
    Event, type="threadly.search-indexer.search_result_clicked.v1", aggregate="search", subject="query_id"
):
    """Somebody opened a search result (R-SRCH-09)."""

    query_id: str
    product_id: UUID
    position: int
    """1 is the first result shown."""
    user_id: UUID | None
    clicked_at: UtcDatetime


EVENTS: tuple[type[Event], ...] = (SearchResultClicked,)

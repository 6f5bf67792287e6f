"""Somebody opened a search result (R-SRCH-09)."""

from uuid import UUID

from threadly_chassis.clock import Clock
from threadly_chassis.db import Transaction
from threadly_contracts.search_indexer import SearchResultClicked

from ..storage.queries import count_click


async def record_click(
    tx: Transaction, *, query_id: str, product_id: UUID, position: int, user_id: UUID | None, clock: Clock
) -> None:
    """Publish the click; clicks of one search keep their order."""
    version = await count_click(tx.session, query_id)
    clicked = SearchResultClicked(
        query_id=query_id,
        product_id=product_id,
        position=position,
        user_id=user_id,
        clicked_at=clock.now(),
    )
    await tx.publish(clicked, version=version)

"""What search-indexer tells itself, so that indexing has the common retries, dead letters and replay."""

from enum import StrEnum
from uuid import UUID

from threadly_contracts import Event


class DocumentChanged(
    Event,
    type="threadly.search-indexer.document_changed.v1",
    aggregate="search_document",
    subject="product_id",
):
    """The projection of a product changed; `version` is the document's own, not the product's."""

    product_id: UUID
    version: int


class Scope(StrEnum):
    """Whose name stands in the documents of many products."""

    SELLER = "seller"
    CATEGORY = "category"


class NamesChanged(
    Event, type="threadly.search-indexer.names_changed.v1", aggregate="search_names", subject="scope_id"
):
    """A seller or a category is called otherwise: its products follow, a batch at a time."""

    scope: Scope
    scope_id: UUID
    after: UUID | None = None
    """The last product of the batch before; None at the start."""

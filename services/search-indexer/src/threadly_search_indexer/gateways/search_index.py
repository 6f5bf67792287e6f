"""The search index as the rest of the service sees it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from threadly_chassis.errors import Permanent, Retryable, ThreadlyError

from ..domain.query import SearchQuery


class SearchIndexError(ThreadlyError):
    """The index did not do what it was asked."""


class IndexUnavailable(SearchIndexError, Retryable):
    """It is away, slow, or asks us to slow down; or it took a write that did not become visible in time."""

    code = "index_unavailable"
    title = "The search index does not answer"


class IndexRefused(SearchIndexError, Permanent):
    """It answered that the request can never be right."""

    code = "index_refused"
    title = "The search index refused the request"


@dataclass(frozen=True, slots=True)
class IndexHit:
    """One result: the record's id (ours, unless the index has drifted) and its fields."""

    object_id: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IndexPage:
    """A stretch of the results, best first."""

    hits: list[IndexHit]
    total: int
    query_id: str | None


class SearchIndex(Protocol):
    """What the service needs of an index. Every method raises `SearchIndexError`."""

    async def apply_settings(self) -> None:
        """Make the index search, filter and sort as declared; nothing happens when it does already."""
        ...

    async def search(
        self, query: SearchQuery, categories: Sequence[UUID], *, offset: int, length: int
    ) -> IndexPage:
        """Search; `categories` are the query's category and all below it."""
        ...

    async def put(self, document: dict[str, Any]) -> None:
        """Write a record unless one of the same or a newer `version` is there; returns when it is visible."""
        ...

    async def remove(self, object_id: str) -> None:
        """Delete a record, if it is there; returns when that is visible."""
        ...

    def browse(self) -> AsyncIterator[dict[str, int | None]]:
        """Walk the whole index: stretches of record ids with their versions."""
        ...

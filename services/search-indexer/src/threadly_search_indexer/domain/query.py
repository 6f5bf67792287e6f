"""What somebody searches for: normalised, so that equal wishes are equal values."""

import hashlib
import json
import unicodedata
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Self
from uuid import UUID

#: Algolia refuses a query over 512 bytes.
_MAX_QUERY_BYTES = 512
_MAX_VALUE = 100
_MAX_VALUES = 20


class Sort(StrEnum):
    """The orders that results can come in."""

    RELEVANCE = "relevance"
    NEWEST = "newest"
    PRICE_ASC = "price_asc"
    PRICE_DESC = "price_desc"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: an offset, corrected by the last ids shown, among what existed at `pinned`.

    Offsets move when items are sold or listed between two pages; the ids (`anchors`, oldest first) tell by
    how much, and `pinned` (Unix seconds) leaves out what was listed since the first page (E073, E082).
    """

    offset: int = 0
    anchors: tuple[str, ...] = ()
    pinned: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """One page of a search. Prices in minor units of `currency`; several values of a field are "or"."""

    text: str = ""
    category_id: UUID | None = None
    currency: str | None = None
    min_price: int | None = None
    max_price: int | None = None
    conditions: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    colors: tuple[str, ...] = ()
    sort: Sort = Sort.RELEVANCE
    limit: int = 20
    position: Position = Position()

    @property
    def fingerprint(self) -> str:
        """Stands for what is searched for, without the page: a cursor belongs to one."""
        return _digest(asdict(replace(self, limit=0, position=Position())))[:16]

    @property
    def cache_key(self) -> str:
        """Differs whenever words, filters, sort or page differ (E080)."""
        return f"search:{_digest(asdict(self))[:32]}"

    def at(self, position: Position) -> Self:
        """The same search at another page."""
        return replace(self, position=position)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, default=str, sort_keys=True).encode()).hexdigest()


def _printable(text: str) -> str:
    """Compose, drop control characters (PostgreSQL refuses NUL), and fold spaces."""
    composed = unicodedata.normalize("NFKC", text)
    return " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in composed).split())


def normalise_text(text: str | None) -> str:
    """Reduce what was typed to what it means.

    Case and spacing mean nothing, what lies past 512 bytes is not read, and a text without a letter or digit
    (punctuation, `*`, emoji) asks for everything, as no text does (E079).
    """
    folded = _printable(text or "").casefold()
    cut = folded.encode()[:_MAX_QUERY_BYTES].decode(errors="ignore").strip()
    return cut if any(c.isalnum() for c in cut) else ""


def normalise_values(values: list[str] | None) -> tuple[str, ...]:
    """Reduce the values of a filter to a sorted set; at most 20 of them, each at most 100 characters."""
    printable = {_printable(value)[:_MAX_VALUE] for value in values or []}
    return tuple(sorted(printable - {""}))[:_MAX_VALUES]

"""Algolia's ranking: criteria that break ties one after the other, never a single score."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from .index import SearchText
from .options import DEFAULTS, Sort, parse_sort
from .records import Record, attribute_values
from .text import QueryWord

_FAR = 8  # words further apart count as this far: Algolia's cap of the proximity criterion
_ATTRIBUTE_SPAN = 1_000  # word positions counted within an attribute


@dataclass(frozen=True, slots=True)
class _Place:
    typos: int
    exact: bool
    text: int
    position: int


@dataclass(frozen=True)
class Match:
    """How a record matches the query's words; smaller is better for all but ``words`` and ``exact``."""

    typos: int = 0
    words: int = 0
    proximity: int = 0
    attribute: int = 0
    exact: int = 0


class Matcher:
    """Finds the query's words in records; remembers each (word, token) pair for the length of a search."""

    def __init__(self, words: Iterable[QueryWord]) -> None:
        self._words = tuple(words)
        self._typos = cache(lambda place, token: self._words[place].typos_in(token))

    def typos(self, token: str) -> list[int | None]:
        """Return for each query word the typos needed to read it in this token."""
        return [self._typos(place, token) for place in range(len(self._words))]

    def match(self, texts: list[SearchText]) -> Match:
        places = [self._places(place, texts) for place in range(len(self._words))]
        found = [candidates for candidates in places if candidates]
        if not found:
            return Match()
        return Match(
            typos=sum(min(place.typos for place in candidates) for candidates in found),
            words=len(found),
            proximity=sum(_nearest(left, right) for left, right in pairwise(found)),
            attribute=min(_importance(place, texts) for candidates in found for place in candidates),
            exact=sum(any(place.exact for place in candidates) for candidates in found),
        )

    def _places(self, place: int, texts: list[SearchText]) -> list[_Place]:
        wanted = self._words[place].text
        return [
            _Place(typos, token == wanted, text_number, position)
            for text_number, text in enumerate(texts)
            for position, token in enumerate(text.words)
            if (typos := self._typos(place, token)) is not None
        ]


def _nearest(left: list[_Place], right: list[_Place]) -> int:
    return min(
        (abs(b.position - a.position) or 1 for a in left for b in right if a.text == b.text),
        default=_FAR,
    )


def _importance(place: _Place, texts: list[SearchText]) -> int:
    searchable = texts[place.text].searchable
    position = min(place.position, _ATTRIBUTE_SPAN - 1) if searchable.ordered else 0
    return searchable.rank * _ATTRIBUTE_SPAN + position


_CRITERIA: dict[str, Callable[[Match], int]] = {
    "typo": lambda match: match.typos,
    "words": lambda match: -match.words,
    "proximity": lambda match: min(match.proximity, _FAR * 8),
    "attribute": lambda match: match.attribute,
    "exact": lambda match: -match.exact,
}


def rank_key(options: dict[str, Any], match: Match, record: Record) -> tuple[Any, ...]:
    """Build the sort key of a hit: one entry per criterion, in the order of ``ranking``."""
    key: list[Any] = []
    for entry in options.get("ranking") or DEFAULTS["ranking"]:
        if entry == "custom":
            key += [
                _sort_key(record, sort)
                for each in options.get("customRanking") or []
                if (sort := parse_sort(each))
            ]
        elif sort := parse_sort(entry):
            key.append(_sort_key(record, sort))
        elif criterion := _CRITERIA.get(entry):
            key.append(criterion(match))
    return tuple(key)


class _Reversed:
    """Turns the order of strings around, which negation cannot."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __lt__(self, other: "_Reversed") -> bool:
        return other.value < self.value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and other.value == self.value

    def __hash__(self) -> int:
        return hash(self.value)


def _sort_key(record: Record, sort: Sort) -> tuple[int, Any]:
    """Numbers before strings before nothing, in either direction."""
    value = next(iter(attribute_values(record, sort.attribute)), None)
    if value is None:
        return 2, 0
    if isinstance(value, str):
        return 1, _Reversed(value) if sort.descending else value
    return 0, -value if sort.descending else value


def first_sort(options: dict[str, Any], *, has_words: bool) -> Sort | None:
    """Name the attribute that decides before any word criterion; without words the first one at all."""
    for entry in options.get("ranking") or DEFAULTS["ranking"]:
        if entry == "custom":
            custom = options.get("customRanking")
            return parse_sort(custom[0]) if custom else None
        if sort := parse_sort(entry):
            return sort
        if has_words and entry in _CRITERIA:
            return None
    return None

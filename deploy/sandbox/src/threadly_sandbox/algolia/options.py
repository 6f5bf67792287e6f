"""Index settings: Algolia's defaults and the notations inside them, as typed values."""

import re
from dataclasses import dataclass
from typing import Any

from .errors import bad_request

DEFAULTS: dict[str, Any] = {
    "searchableAttributes": None,
    "attributesForFaceting": None,
    "unretrievableAttributes": None,
    "attributesToRetrieve": None,
    "attributesToHighlight": None,
    "ranking": ["typo", "geo", "words", "filters", "proximity", "attribute", "exact", "custom"],
    "customRanking": None,
    "hitsPerPage": 20,
    "paginationLimitedTo": 1000,
    "minWordSizefor1Typo": 4,
    "minWordSizefor2Typos": 8,
    "typoTolerance": True,
    "disableTypoToleranceOnWords": [],
    "queryType": "prefixLast",
    "removeWordsIfNoResults": "none",
    "optionalWords": None,
    "maxValuesPerFacet": 100,
    "sortFacetValuesBy": "count",
    "highlightPreTag": "<em>",
    "highlightPostTag": "</em>",
    "replicas": None,
}
_MODIFIER = re.compile(r"^(\w+)\((.*)\)$")
_LISTS = {"searchableAttributes", "attributesForFaceting", "ranking", "customRanking", "replicas"}


@dataclass(frozen=True)
class Sort:
    """Order by one attribute."""

    attribute: str
    descending: bool


@dataclass(frozen=True)
class Searchable:
    """An attribute that is searched; lower ranks matter more, and position only where it is ordered."""

    attribute: str
    rank: int
    ordered: bool


@dataclass(frozen=True)
class Plan:
    """What of the settings shapes the index itself: when it changes, the index is built anew."""

    searchable: tuple[Searchable, ...] | None
    facets: frozenset[str]
    sorts: tuple[str, ...]


def parse_modifier(text: str) -> tuple[str | None, str]:
    """Split ``desc(price)`` into its modifier and attribute; the modifier is None for a bare name."""
    found = _MODIFIER.match(text.strip())
    return (found.group(1), found.group(2).strip()) if found else (None, text.strip())


def parse_sort(text: str) -> Sort | None:
    """Parse ``asc(x)`` or ``desc(x)``; None for anything else."""
    modifier, attribute = parse_modifier(text)
    return Sort(attribute, modifier == "desc") if modifier in {"asc", "desc"} else None


def parse_searchable(given: list[str] | None) -> tuple[Searchable, ...] | None:
    """Parse ``searchableAttributes``: commas make equals, ``unordered(x)`` ignores position."""
    if not given:
        return None
    found = []
    for rank, entry in enumerate(given):
        for part in entry.split(",") if "(" not in entry else [entry]:
            modifier, attribute = parse_modifier(part)
            ordered = modifier != "unordered" and "," not in entry
            found.append(Searchable(attribute, rank, ordered))
    return tuple(found)


def facet_attributes(settings: dict[str, Any], *, modifier: str | None = None) -> list[str]:
    """Name the attributes declared for faceting, or only those under one modifier."""
    parsed = [parse_modifier(entry) for entry in settings.get("attributesForFaceting") or []]
    return [name for found, name in parsed if modifier is None or found == modifier]


def sorts_of(settings: dict[str, Any]) -> list[Sort]:
    """The sort criteria of ``ranking`` in their order, with ``custom`` replaced by ``customRanking``."""
    entries: list[str] = []
    for entry in settings.get("ranking") or DEFAULTS["ranking"]:
        entries += (settings.get("customRanking") or []) if entry == "custom" else [entry]
    return [sort for entry in entries if (sort := parse_sort(entry))]


def replica_names(settings: dict[str, Any]) -> list[str]:
    """The names of the replicas, standard and virtual alike."""
    return [parse_modifier(entry)[1] for entry in settings.get("replicas") or []]


def check_settings(settings: dict[str, Any]) -> None:
    """Raise 400 for a setting of the wrong shape."""
    for name in _LISTS & settings.keys():
        value = settings[name]
        if value is not None and not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            raise bad_request(f"Invalid value for {name}: expected an array of strings")
    for entry in settings.get("customRanking") or []:
        if parse_sort(entry) is None:
            raise bad_request(f"Invalid customRanking: {entry!r}, expected asc(attribute) or desc(attribute)")


def plan_of(settings: dict[str, Any], replicas: list[dict[str, Any]]) -> Plan:
    """Derive the index's shape from its settings and those of its replicas."""
    sorts = {sort.attribute for each in [settings, *replicas] for sort in sorts_of(each)}
    return Plan(
        searchable=parse_searchable(settings.get("searchableAttributes")),
        facets=frozenset(facet_attributes(settings)),
        sorts=tuple(sorted(sorts)),
    )

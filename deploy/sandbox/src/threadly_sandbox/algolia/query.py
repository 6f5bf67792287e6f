"""One search's parameters: the index's settings under the request's, checked and typed."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from .errors import bad_request
from .filters import All, Filter, facet_leaf, parse_filters, parse_nested, tag_leaf
from .options import DEFAULTS
from .text import QueryWord, tokenize

_MAX_HITS = 1000
# What only settings decide: a query that carries them changes nothing.
_SETTINGS_ONLY = {"attributesForFaceting", "searchableAttributes", "unretrievableAttributes", "replicas"}

_NAME_LISTS = {"facets", "attributesToRetrieve", "attributesToHighlight"}  # also given as "a,b"


@dataclass(frozen=True)
class SearchQuery:
    """A search, ready to run. ``options`` holds the parameters that need no further reading."""

    text: str
    words: tuple[QueryWord, ...]
    optional: frozenset[str]
    filter: Filter
    offset: int
    length: int
    page: int | None  # None when the request used offset and length
    options: dict[str, Any]


def read_params(body: Any) -> dict[str, Any]:
    """Accept an object, or the URL-encoded ``params`` string of older clients with JSON inside for lists."""
    if not isinstance(body, dict):
        raise bad_request("Invalid JSON: expected an object")
    encoded = body.get("params")
    if not isinstance(encoded, str):
        return body
    rest = {name: value for name, value in body.items() if name != "params"}
    return {**rest, **{name: _decoded(name, value) for name, value in parse_qsl(encoded)}}


def _decoded(name: str, value: str) -> Any:
    if name in {"query", "filters"}:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def build_query(settings: dict[str, Any], params: dict[str, Any], forced_filters: list[str]) -> SearchQuery:
    """Combine settings and request; ``forced_filters`` come from a secured key and cannot be left out."""
    given = {
        name: value for name, value in params.items() if name not in _SETTINGS_ONLY and value is not None
    }
    options = {**DEFAULTS, **settings, **given}
    for name in _NAME_LISTS & options.keys():
        if isinstance(options[name], str):
            options[name] = options[name].split(",")
    offset, length, page = _window(options)
    text = str(options.get("query") or "")
    return SearchQuery(
        text=text,
        words=_words(text, options),
        optional=_optional_words(options),
        filter=_filter(options, forced_filters),
        offset=offset,
        length=length,
        page=page,
        options=options,
    )


def _window(options: dict[str, Any]) -> tuple[int, int, int | None]:
    if "offset" in options or "length" in options:
        offset, length = _whole(options, "offset", 0), _whole(options, "length", 20)
        return offset, min(length, _MAX_HITS), None
    size, page = _whole(options, "hitsPerPage", 20), _whole(options, "page", 0)
    if size > _MAX_HITS:
        raise bad_request(f"hitsPerPage must be at most {_MAX_HITS}")
    return page * size, size, page


def _whole(options: dict[str, Any], name: str, default: int) -> int:
    value = options.get(name, default)
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number < 0 or isinstance(value, bool):
        raise bad_request(f"Invalid value for {name}: expected a positive integer")
    return number


def _words(text: str, options: dict[str, Any]) -> tuple[QueryWord, ...]:
    tokens = [token.text for token in tokenize(text)]
    tolerant = options["typoTolerance"] not in {False, "false"}
    exact_words = {str(word).casefold() for word in options.get("disableTypoToleranceOnWords") or []}
    kind = options["queryType"]
    # A trailing space says that the last word is finished, but Algolia still reads it as a prefix.
    return tuple(
        QueryWord(
            text=word,
            max_typos=_allowed_typos(word, options) if tolerant and word not in exact_words else 0,
            prefix=kind == "prefixAll" or (kind == "prefixLast" and place == len(tokens) - 1),
        )
        for place, word in enumerate(tokens)
    )


def _allowed_typos(word: str, options: dict[str, Any]) -> int:
    return sum(len(word) >= options[name] for name in ("minWordSizefor1Typo", "minWordSizefor2Typos"))


def _optional_words(options: dict[str, Any]) -> frozenset[str]:
    given = options.get("optionalWords") or []
    texts = [given] if isinstance(given, str) else given
    return frozenset(token.text for text in texts for token in tokenize(str(text)))


def _filter(options: dict[str, Any], forced: list[str]) -> Filter:
    return All(
        (
            parse_filters(str(options.get("filters") or "")),
            *(parse_filters(text) for text in forced),
            parse_nested(options.get("facetFilters"), facet_leaf),
            parse_nested(options.get("numericFilters"), parse_filters),
            parse_nested(options.get("tagFilters"), tag_leaf),
        )
    )

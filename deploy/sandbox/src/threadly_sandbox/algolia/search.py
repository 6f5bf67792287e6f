"""A search from its parameters to Algolia's answer."""

import time
from typing import Any
from urllib.parse import urlencode

from tantivy import Occur, Query

from .errors import bad_request
from .highlight import Highlighter
from .index import Candidates, TantivyIndex
from .options import facet_attributes
from .query import SearchQuery
from .ranking import Match, Matcher, first_sort, rank_key
from .records import Record
from .store import Store
from .text import QueryWord, tokenize

_RANKED = 500  # candidates that are put in Algolia's order; later ones follow as tantivy scored them
_MAX_FACET_VALUES = 1_000
_RANK_BY_TYPOS = {"min": 0, "strict": 1}  # how many typos above the best are kept


class Search:
    """Runs one query on one index; built anew for each."""

    def __init__(self, store: Store, index: TantivyIndex, query: SearchQuery) -> None:
        self._store = store
        self._index = index
        self._query = query
        self._words = query.words
        self._matcher = Matcher(query.words)

    def run(self, name: str) -> dict[str, Any]:
        """Answer the search; ``name`` is the index (or replica) that was asked."""
        started = time.perf_counter()
        tantivy_query, candidates = self._find()
        hits, total = self._page(candidates)
        return {
            "hits": hits,
            **self._paging(total),
            **self._facets(tantivy_query),
            "query": self._query.text,
            "params": urlencode(
                {k: v for k, v in self._query.options.items() if k in {"query", "filters"} and v}
            ),
            "index": name,
            "exhaustive": {"facetsCount": True, "nbHits": True, "typo": True},
            "exhaustiveNbHits": True,
            "exhaustiveTypo": True,
            "exhaustiveFacetsCount": True,
            "processingTimeMS": max(1, round((time.perf_counter() - started) * 1000)),
        }

    # ── finding ──

    def _find(self) -> tuple[Query, Candidates]:
        """Search with all words, then with fewer of them where ``removeWordsIfNoResults`` allows it."""
        tantivy_query, found = self._candidates(self._query.optional)
        if found.total or len(self._words) < 2:  # noqa: PLR2004 - one word cannot be given up
            return tantivy_query, found
        strategy = self._query.options["removeWordsIfNoResults"]
        if strategy == "allOptional":
            return self._candidates(frozenset(word.text for word in self._words))
        while strategy in {"lastWords", "firstWords"} and not found.total and len(self._words) > 1:
            self._keep(self._words[:-1] if strategy == "lastWords" else self._words[1:])
            tantivy_query, found = self._candidates(self._query.optional)
        return tantivy_query, found

    def _keep(self, words: tuple[QueryWord, ...]) -> None:
        self._words = words
        self._matcher = Matcher(words)

    def _tantivy_query(self, optional: frozenset[str]) -> Query:
        return Query.boolean_query(
            [
                (Occur.Must, self._index.words_query(list(self._words), optional)),
                # A filter must not change the order of the words' scores.
                (Occur.Must, Query.const_score_query(self._index.filter_query(self._query.filter), 0.0)),
            ]
        )

    def _candidates(self, optional: frozenset[str]) -> tuple[Query, Candidates]:
        options = self._query.options
        query = self._tantivy_query(optional)
        reachable = min(options["paginationLimitedTo"], max(_RANKED, self._query.offset + self._query.length))
        sort = first_sort(options, has_words=bool(self._words))
        return query, self._index.candidates(query, reachable, sort)

    def all_numbers(self) -> list[int]:
        """Every matching record's number, in ascending order: what browsing walks."""
        query = self._tantivy_query(self._query.optional)
        total = self._index.candidates(query, 1, None).total
        return sorted(self._index.candidates(query, total, None).numbers)

    # ── ranking ──

    def _page(self, candidates: Candidates) -> tuple[list[dict[str, Any]], int]:
        ranked, total = self._ranked(candidates)
        window = slice(self._query.offset, self._query.offset + self._query.length)
        limited = ranked[: self._query.options["paginationLimitedTo"]]
        return [self._hit(record, match) for record, match in limited[window]], total

    def _ranked(self, candidates: Candidates) -> tuple[list[tuple[Record, Match]], int]:
        options = self._query.options
        hits = [hit for number in candidates.numbers[:_RANKED] if (hit := self._matched(number))]
        kept = self._keep_best_typos(hits)
        kept.sort(key=lambda hit: rank_key(options, hit[1], hit[0]))
        if len(kept) < len(hits):
            return kept, len(kept)
        rest = [hit for number in candidates.numbers[_RANKED:] if (hit := self._matched(number))]
        return kept + rest, candidates.total

    def _matched(self, number: int) -> tuple[Record, Match] | None:
        record = self._store.record(number)
        if record is None:  # deleted a moment ago; the index forgets it with its next commit
            return None
        if not self._words:
            return record, Match()
        return record, self._matcher.match(self._index.texts(number, record))

    def _keep_best_typos(self, hits: list[tuple[Record, Match]]) -> list[tuple[Record, Match]]:
        slack = _RANK_BY_TYPOS.get(self._query.options["typoTolerance"])
        if slack is None or not hits:
            return hits
        best = min(match.typos for _, match in hits)
        return [hit for hit in hits if hit[1].typos <= best + slack]

    # ── answering ──

    def _hit(self, record: Record, match: Match) -> dict[str, Any]:
        options = self._query.options
        hit = {**_retrieved(record, options), "objectID": record["objectID"]}
        attributes = options["attributesToHighlight"]
        if attributes is None:
            searchable = self._index.plan.searchable
            attributes = ["*"] if searchable is None else [one.attribute for one in searchable]
        if attributes:
            hit["_highlightResult"] = self._highlighter().record(record, attributes)
        if options.get("getRankingInfo"):
            hit["_rankingInfo"] = {
                "nbTypos": match.typos,
                "words": match.words,
                "proximityDistance": match.proximity,
                "firstMatchedWord": match.attribute,
                "nbExactWords": match.exact,
                "filters": 0,
                "geoDistance": 0,
                "userScore": 0,
            }
        return hit

    def _highlighter(self) -> Highlighter:
        options = self._query.options
        words = [word.text for word in self._words]
        return Highlighter(self._matcher, words, options["highlightPreTag"], options["highlightPostTag"])

    def _paging(self, total: int) -> dict[str, Any]:
        reachable = min(total, self._query.options["paginationLimitedTo"])
        if self._query.page is None:
            return {"nbHits": total, "offset": self._query.offset, "length": self._query.length}
        size = self._query.length
        pages = -(-reachable // size) if size else 0
        return {"nbHits": total, "page": self._query.page, "nbPages": pages, "hitsPerPage": size}

    def _facets(self, tantivy_query: Query) -> dict[str, Any]:
        asked = self._query.options.get("facets") or []
        declared = facet_attributes(self._query.options)
        wanted = declared if "*" in asked else [name for name in declared if name in asked]
        if not asked:
            return {}
        size = min(int(self._query.options["maxValuesPerFacet"]), _MAX_FACET_VALUES)
        counts = self._index.facet_counts(tantivy_query, wanted, size)
        if self._query.options["sortFacetValuesBy"] == "alpha":
            counts = {name: dict(sorted(values.items())) for name, values in counts.items()}
        answer: dict[str, Any] = {"facets": {name: values for name, values in counts.items() if values}}
        if stats := self._index.facet_stats(tantivy_query, wanted):
            answer["facets_stats"] = stats
        return answer

    def facet_values(self, attribute: str, prefix: str, limit: int) -> dict[str, Any]:
        """Answer a search among the values of one facet, most frequent first."""
        if attribute not in facet_attributes(self._query.options, modifier="searchable"):
            raise bad_request(
                f"Cannot search in `{attribute}` attribute, you need to add `searchable({attribute})`"
                " to attributesForFaceting."
            )
        words = [QueryWord(token.text, 0, prefix=True) for token in tokenize(prefix)]
        highlighter = Highlighter(Matcher(words), [word.text for word in words], "<em>", "</em>")
        tantivy_query, _ = self._find()
        counts = self._index.facet_counts(tantivy_query, [attribute], _MAX_FACET_VALUES)[attribute]
        found = [value for value in counts if _has_words(value, words)][:limit]
        return {
            "facetHits": [
                {"value": value, "highlighted": highlighter.value(value)["value"], "count": counts[value]}
                for value in found
            ],
            "exhaustiveFacetsCount": True,
            "processingTimeMS": 1,
        }


def _has_words(value: str, words: list[QueryWord]) -> bool:
    tokens = [token.text for token in tokenize(value)]
    return all(any(word.typos_in(token) is not None for token in tokens) for word in words)


def _retrieved(record: Record, options: dict[str, Any]) -> Record:
    """Keep the attributes that the query asks for and the key may see."""
    asked = ["*"] if options["attributesToRetrieve"] is None else options["attributesToRetrieve"]
    hidden = set(options["unretrievableAttributes"] or []) | {n[1:] for n in asked if n.startswith("-")}
    everything = "*" in asked or (bool(asked) and all(name.startswith("-") for name in asked))
    tops = {name.partition(".")[0] for name in asked}
    return {n: v for n, v in record.items() if n not in hidden and (everything or n in tops)}

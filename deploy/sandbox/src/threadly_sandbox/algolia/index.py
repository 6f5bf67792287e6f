"""The tantivy side of one index: documents, filters, candidates and facet counts.

Records live in the store; this index is in memory and is built anew from them at a start. What it answers
are record numbers. Names of attributes become JSON paths, so every letter that tantivy's query language or
path syntax could read as its own is written as its code point.
"""

import json
import re
from dataclasses import dataclass
from decimal import Decimal

import tantivy
from tantivy import Document, Occur, Order, Query

from .filters import All, Facet, Filter, Not, Range, Some
from .options import Plan, Searchable, Sort
from .records import Record, attribute_values, facet_text, numbers
from .text import QueryWord, tokenize

_WRITER_BYTES = 15_000_000  # tantivy's minimum for one thread
_EXACT_BOOST = 3.0  # a word as typed before its misspellings, when more match than are ranked
_ALWAYS_FACETS = ("_tags", "objectID")
_REMEMBERED_TEXTS = 20_000
_BATCH_FACETS = 1_000  # Algolia's own upper bound for values of one facet


def path_name(attribute: str) -> str:
    """Write an attribute name with letters, digits and underscores only, without collisions."""
    return re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found.group()):x}_", attribute)


@dataclass(frozen=True)
class SearchText:
    """One searched text of a record: where it came from and its words."""

    searchable: Searchable
    words: tuple[str, ...]


def search_texts(record: Record, plan: Plan) -> list[SearchText]:
    """Read what is searched in a record, in the order of importance."""
    searchable = plan.searchable or [
        Searchable(name, 0, ordered=False) for name in record if name not in {"objectID", "_tags"}
    ]
    return [
        SearchText(one, tuple(token.text for token in tokenize(str(value))))
        for one in searchable
        for value in attribute_values(record, one.attribute)
        if not isinstance(value, bool)
    ]


def _decimal(number: float) -> str:
    # The query language knows no exponents.
    return format(Decimal(repr(number)), "f")


@dataclass(frozen=True)
class Candidates:
    """Record numbers in tantivy's order and how many records match in all."""

    numbers: list[int]
    total: int


class TantivyIndex:
    """An index of one plan. Writes become visible at ``commit``."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._slots = {attribute: f"sort{slot}" for slot, attribute in enumerate(plan.sorts)}
        self._index = tantivy.Index(self._build_schema())
        self._index.register_tokenizer(
            "words", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        )
        self._schema = self._index.schema
        self._writer = self._index.writer(_WRITER_BYTES, 1)
        self._searcher = self._index.searcher()
        self._texts: dict[int, list[SearchText]] = {}

    def _build_schema(self) -> tantivy.Schema:
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("number", indexed=True, fast=True)
        builder.add_text_field("words", tokenizer_name="words", index_option="freq")
        builder.add_json_field("equal", tokenizer_name="raw", index_option="basic")
        builder.add_json_field("facet", fast=True, tokenizer_name="raw", index_option="basic")
        builder.add_json_field("numeric", fast=True, tokenizer_name="raw", index_option="basic")
        for slot in self._slots.values():
            builder.add_float_field(slot, fast=True)
        return builder.build()

    # ── writing ──

    def put(self, number: int, record: Record) -> None:
        self.delete(number)
        self._writer.add_document(self._document(number, record))

    def delete(self, number: int) -> None:
        self._texts.pop(number, None)
        # The field is signed: an unsigned one never matches here (tantivy 0.27 types the term as signed).
        self._writer.delete_documents_by_term("number", number)

    def commit(self) -> None:
        """Make all writes so far visible; takes tens of milliseconds, so it runs in a thread."""
        self._writer.commit()
        self._index.reload()
        self._searcher = self._index.searcher()

    def _document(self, number: int, record: Record) -> Document:
        document = Document()
        document.add_integer("number", number)
        words = [word for text in search_texts(record, self.plan) for word in text.words]
        document.add_text("words", " ".join(words))
        facets = {
            path_name(name): [facet_text(value) for value in values]
            for name in (*self.plan.facets, *_ALWAYS_FACETS)
            if (values := attribute_values(record, name))
        }
        document.add_json("facet", json.dumps(facets))
        document.add_json(
            "equal", json.dumps({name: [one.casefold() for one in values] for name, values in facets.items()})
        )
        numeric: dict[str, list[float]] = {}
        for name, value in numbers(record):
            numeric.setdefault(path_name(name), []).append(value)
        document.add_json("numeric", json.dumps(numeric))
        for attribute, slot in self._slots.items():
            if numeric_values := numeric.get(path_name(attribute)):
                document.add_float(slot, numeric_values[0])
        return document

    # ── queries ──

    def words_query(self, words: list[QueryWord], optional: frozenset[str]) -> Query:
        """All words must match except the optional ones, of which one must when there are no others."""
        if not words:
            return Query.all_query()
        must = [(Occur.Must, self._word(word)) for word in words if word.text not in optional]
        should = [(Occur.Should, self._word(word)) for word in words if word.text in optional]
        return Query.boolean_query(must + should)

    def _word(self, word: QueryWord) -> Query:
        exact = Query.boost_query(Query.term_query(self._schema, "words", word.text), _EXACT_BOOST)
        if word.max_typos == 0 and not word.prefix:
            return exact
        fuzzy = Query.fuzzy_term_query(
            self._schema, "words", word.text, distance=word.max_typos, prefix=word.prefix
        )
        return Query.boolean_query([(Occur.Should, exact), (Occur.Should, fuzzy)])

    def filter_query(self, tree: Filter) -> Query:
        match tree:
            case Facet(attribute, value):
                return self._equal(attribute, value)
            case Range():
                return self._range(tree)
            case Not(inner):
                denied = self.filter_query(inner)
                return Query.boolean_query([(Occur.Must, Query.all_query()), (Occur.MustNot, denied)])
            case All(parts):
                if not parts:
                    return Query.all_query()
                return Query.boolean_query([(Occur.Must, self.filter_query(part)) for part in parts])
            case Some(parts):
                return Query.boolean_query([(Occur.Should, self.filter_query(part)) for part in parts])

    def _equal(self, attribute: str, value: str) -> Query:
        if attribute == "_tags":
            # Tags compare with regard to case, unlike facet values.
            return Query.term_query(self._schema, f"facet.{path_name(attribute)}", value)
        return Query.term_query(self._schema, f"equal.{path_name(attribute)}", value.casefold())

    def _range(self, tree: Range) -> Query:
        low = "*" if tree.low is None else _decimal(tree.low)
        high = "*" if tree.high is None else _decimal(tree.high)
        opening, closing = "[" if tree.include_low else "{", "]" if tree.include_high else "}"
        # Only the query parser can reach a range inside a JSON field (tantivy 0.27).
        text = f"numeric.{path_name(tree.attribute)}:{opening}{low} TO {high}{closing}"
        return self._index.parse_query(text, ["words"])

    # ── reading ──

    def texts(self, number: int, record: Record) -> list[SearchText]:
        """What is searched in a record; remembered, since splitting words is most of a search's time."""
        if (known := self._texts.get(number)) is None:
            if len(self._texts) >= _REMEMBERED_TEXTS:
                self._texts.clear()
            known = self._texts[number] = search_texts(record, self.plan)
        return known

    def candidates(self, query: Query, limit: int, sort: Sort | None) -> Candidates:
        """Find up to ``limit`` records, best words first or in the order of a sort attribute."""
        slot = self._slots.get(sort.attribute) if sort else None
        if sort and slot:
            order = Order.Desc if sort.descending else Order.Asc
            found = self._searcher.search(query, max(limit, 1), order_by_field=slot, order=order)
        else:
            found = self._searcher.search(query, max(limit, 1))
        total: int = found.count  # type: ignore[attr-defined] # missing in tantivy's stub
        addresses = [address for _, address in found.hits]
        numbers_found = self._searcher.fast_field_values("number", addresses) if addresses else []
        return Candidates([int(number) for number in numbers_found if number is not None], total)

    def facet_counts(self, query: Query, attributes: list[str], size: int) -> dict[str, dict[str, int]]:
        """Count the values of each attribute among the matches, most frequent first."""
        if not attributes:
            return {}
        wanted = {
            name: {"terms": {"field": f"facet.{path_name(name)}", "size": min(size, _BATCH_FACETS)}}
            for name in attributes
        }
        answer = self._searcher.aggregate(query, wanted)
        return {
            name: {str(bucket["key"]): bucket["doc_count"] for bucket in answer[name]["buckets"]}
            for name in attributes
        }

    def facet_stats(self, query: Query, attributes: list[str]) -> dict[str, dict[str, float]]:
        """Minimum, maximum, average and sum of the attributes that hold numbers among the matches."""
        if not attributes:
            return {}
        wanted = {name: {"stats": {"field": f"numeric.{path_name(name)}"}} for name in attributes}
        answer = self._searcher.aggregate(query, wanted)
        return {
            name: {key: answer[name][key] for key in ("min", "max", "avg", "sum")}
            for name in attributes
            if answer[name]["count"]
        }

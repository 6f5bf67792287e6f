"""The filter grammar: ``filters`` strings and the nested ``facetFilters`` lists, as one tree.

``OR`` binds tighter than ``AND``; ``OR`` may join only conditions of one kind and no group that holds an
``AND``; ``NOT`` stands before one condition (Algolia, "Filters" reference).
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import bad_request


@dataclass(frozen=True)
class Facet:
    """The attribute holds this value; compared without regard to case. Tags are the attribute ``_tags``."""

    attribute: str
    value: str


@dataclass(frozen=True)
class Range:
    """A number of the attribute lies between the bounds; None is open."""

    attribute: str
    low: float | None = None
    high: float | None = None
    include_low: bool = True
    include_high: bool = True


@dataclass(frozen=True)
class Not:
    inner: "Filter"


@dataclass(frozen=True)
class All:
    parts: tuple["Filter", ...]


@dataclass(frozen=True)
class Some:
    parts: tuple["Filter", ...]


Filter = Facet | Range | Not | All | Some
EVERYTHING = All(())

_LEXEME = re.compile(
    r"""\s*(?:(?P<mark>[():])|(?P<operator><=|>=|!=|<|>|=)"""
    r"""|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<word>[^\s()"':<>=!]+))"""
)
_KEYWORDS = {"AND", "OR", "NOT", "TO"}


@dataclass(frozen=True)
class _Lexeme:
    kind: str
    text: str


def _lex(source: str) -> list[_Lexeme]:
    lexemes, position, end = [], 0, len(source.rstrip())
    while position < end:
        found = _LEXEME.match(source, position)
        if found is None:
            raise _syntax(source, position)
        kind, text = next((k, v) for k, v in found.groupdict().items() if v is not None)
        if kind in {"double", "single"}:
            kind, text = "value", re.sub(r"\\(.)", r"\1", text)
        elif kind == "word":
            kind = "keyword" if text in _KEYWORDS else "value"
        lexemes.append(_Lexeme(kind, text))
        position = found.end()
    return lexemes


def _syntax(source: str, position: int) -> Exception:
    return bad_request(f"filters: Unexpected token at col {position} in {source!r}")


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.lexemes = _lex(source)
        self.at = 0

    def peek(self, *texts: str, kind: str | None = None) -> bool:
        if self.at >= len(self.lexemes):
            return False
        lexeme = self.lexemes[self.at]
        return lexeme.kind == kind if kind else lexeme.kind != "value" and lexeme.text in texts

    def take(self, *texts: str) -> bool:
        found = self.peek(*texts)
        self.at += found
        return found

    def value(self) -> str:
        if not self.peek(kind="value"):
            raise _syntax(self.source, self.at)
        self.at += 1
        return self.lexemes[self.at - 1].text

    def parse(self) -> Filter:
        if not self.lexemes:
            return EVERYTHING
        tree = self.conjunction()
        if self.at < len(self.lexemes):
            raise _syntax(self.source, self.at)
        return tree

    def conjunction(self) -> Filter:
        parts = [self.disjunction()]
        while self.take("AND"):
            parts.append(self.disjunction())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def disjunction(self) -> Filter:
        parts = [self.condition()]
        while self.take("OR"):
            parts.append(self.condition())
        if len(parts) == 1:
            return parts[0]
        if any(isinstance(part, All) for part in parts):
            raise bad_request("filters: OR over groups with AND is not allowed")
        if len(set().union(*(_kinds(part) for part in parts))) > 1:
            raise bad_request("filters: Different types are not allowed in the same OR.")
        return Some(tuple(parts))

    def condition(self) -> Filter:
        if self.take("NOT"):
            if self.peek("("):
                raise bad_request("filters: NOT before a group is not allowed")
            return Not(self.condition())
        if self.take("("):
            tree = self.conjunction()
            if not self.take(")"):
                raise _syntax(self.source, self.at)
            return tree
        return self.leaf()

    def leaf(self) -> Filter:
        name = self.value()
        if self.take(":"):
            value = self.value()
            if self.take("TO"):
                return Range(name, _number(value), _number(self.value()))
            return Facet(name, value)
        if self.peek(kind="operator"):
            self.at += 1
            return _compare(name, self.lexemes[self.at - 1].text, _number(self.value()))
        return Facet("_tags", name)


def _kinds(tree: Filter) -> set[str]:
    match tree:
        case Not(inner):
            return _kinds(inner)
        case All(parts) | Some(parts):
            return set().union(*(_kinds(part) for part in parts))
        case Range():
            return {"numeric"}
        case Facet(attribute, _):
            return {"tag" if attribute == "_tags" else "facet"}


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise bad_request(f"filters: {text!r} is not a number")
    return number


def _compare(name: str, operator: str, number: float) -> Filter:
    match operator:
        case "<" | "<=":
            return Range(name, high=number, include_high=operator == "<=")
        case ">" | ">=":
            return Range(name, low=number, include_low=operator == ">=")
        case "!=":
            return Not(Range(name, number, number))
        case _:
            return Range(name, number, number)


def parse_filters(source: str) -> Filter:
    """Parse a ``filters`` string; 400 when it breaks the grammar."""
    return _Parser(source).parse()


def parse_nested(given: Any, leaf: Callable[[str], Filter]) -> Filter:
    """Parse ``facetFilters`` and its kin: the outer list is AND, the next OR, and so on by turns."""
    return _nested(given, leaf, outer=True) if given else EVERYTHING


def _nested(given: Any, leaf: Callable[[str], Filter], *, outer: bool) -> Filter:
    if isinstance(given, str):
        return leaf(given)
    if not isinstance(given, list):
        raise bad_request("filters must be strings or lists of them")
    parts = tuple(_nested(one, leaf, outer=not outer) for one in given)
    return All(parts) if outer else Some(parts)


def facet_leaf(text: str) -> Filter:
    r"""``attribute:value``; ``attribute:-value`` denies it, ``\-`` is a value that starts with a dash."""
    attribute, colon, value = text.partition(":")
    if not colon:
        raise bad_request(f"facetFilters: {text!r} is not attribute:value")
    if value.startswith("-"):
        return Not(Facet(attribute, value[1:]))
    return Facet(attribute, value.removeprefix("\\") if value.startswith("\\-") else value)


def tag_leaf(text: str) -> Filter:
    """A tag, or one that must be absent (``-tag``)."""
    return Not(Facet("_tags", text[1:])) if text.startswith("-") else Facet("_tags", text)

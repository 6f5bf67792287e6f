"""Marks the query's words in the values that matched, mirrored over arrays and nested objects."""

from typing import Any

from .ranking import Matcher
from .records import Record, facet_text
from .text import Token, tokenize


class Highlighter:
    """Highlights for one search; ``words`` are the query's words as folded texts."""

    def __init__(self, matcher: Matcher, words: list[str], before: str, after: str) -> None:
        self._matcher = matcher
        self._words = words
        self._before = before
        self._after = after

    def record(self, record: Record, attributes: list[str]) -> dict[str, Any]:
        """Highlight the named top-level attributes; ``*`` means all."""
        names = [name for name in record if name != "objectID"] if "*" in attributes else attributes
        tops = dict.fromkeys(name.partition(".")[0] for name in names)
        return {name: self.value(record[name]) for name in tops if record.get(name) is not None}

    def value(self, value: Any) -> Any:
        """Mirror a value: every string, number and boolean becomes a highlight."""
        if isinstance(value, dict):
            return {name: self.value(inner) for name, inner in value.items() if inner is not None}
        if isinstance(value, list):
            return [self.value(inner) for inner in value if inner is not None]
        return self._scalar(facet_text(value))

    def _scalar(self, text: str) -> dict[str, Any]:
        tokens = tokenize(text)
        found: dict[str, None] = {}
        marked: list[tuple[Token, int]] = []
        for token in tokens:
            matching = [n for n, typos in enumerate(self._matcher.typos(token.text)) if typos is not None]
            if matching:
                found.update(dict.fromkeys(self._words[number] for number in matching))
                marked.append((token, self._marked_length(token, self._words[matching[0]])))
        if not found:
            return {"value": text, "matchLevel": "none", "matchedWords": []}
        return {
            "value": self._mark(text, marked),
            "matchLevel": "full" if len(found) == len(set(self._words)) else "partial",
            "fullyHighlighted": len(marked) == len(tokens),
            "matchedWords": list(found),
        }

    def _marked_length(self, token: Token, word: str) -> int:
        """Mark only the typed beginning of a longer word, as instant search shows it."""
        width = token.end - token.start
        is_prefix = token.text.startswith(word) and len(token.text) == width
        return min(len(word), width) if is_prefix else width

    def _mark(self, text: str, marked: list[tuple[Token, int]]) -> str:
        parts, at = [], 0
        for token, length in marked:
            end = token.start + length
            parts += [text[at : token.start], self._before, text[token.start : end], self._after]
            at = end
        return "".join([*parts, text[at:]])

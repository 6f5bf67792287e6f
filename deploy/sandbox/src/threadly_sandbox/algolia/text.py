"""Words and typos: how a text becomes tokens and how far a query word is from one."""

import re
import unicodedata
from dataclasses import dataclass

WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+")


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a text: its folded form and where it stands in the original (end exclusive)."""

    text: str
    start: int
    end: int


def fold(text: str) -> str:
    """Lower-case and strip accents, so that ``Élan`` and ``elan`` are one word."""
    if text.isascii():
        return text.casefold()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def tokenize(text: str) -> list[Token]:
    """Split on everything that is neither letter nor digit, as Algolia does for Latin scripts."""
    return [Token(fold(found.group()), found.start(), found.end()) for found in WORD.finditer(text)]


@dataclass(frozen=True, slots=True)
class QueryWord:
    """One word of a query: how many typos it allows and whether it may be the start of a word."""

    text: str
    max_typos: int
    prefix: bool

    def typos_in(self, token: str) -> int | None:
        """Return the typos needed to read ``token`` as this word, or None beyond the allowance."""
        if token == self.text or (self.prefix and token.startswith(self.text)):
            return 0
        if self.max_typos == 0 or len(self.text) - len(token) > self.max_typos:
            return None
        if not self.prefix and len(token) - len(self.text) > self.max_typos:
            return None
        reach = token[: len(self.text) + self.max_typos]  # what follows cannot lower the distance
        # Each edit can account for one missing letter: this settles most pairs in a tenth of the time.
        if len(set(self.text).difference(reach)) > self.max_typos:
            return None
        return _distance(self.text, reach, self.max_typos, prefix=self.prefix)


def _distance(word: str, token: str, limit: int, *, prefix: bool) -> int | None:
    """Count insertions, deletions, replacements and swaps of neighbours (optimal string alignment).

    With ``prefix`` the end of the token is free: the distance to its nearest beginning. Gives up with None as
    soon as the limit is passed, which for most pairs is in the third row.
    """
    before_last: list[int] = []
    last = list(range(len(token) + 1))
    for row, letter in enumerate(word, start=1):
        current = [row]
        for column, other in enumerate(token, start=1):
            cost = min(
                last[column] + 1,
                current[column - 1] + 1,
                last[column - 1] + (letter != other),
            )
            swapped = row > 1 and column > 1 and letter == token[column - 2] and word[row - 2] == other
            current.append(min(cost, before_last[column - 2] + 1) if swapped else cost)
        if min(current) > limit and min(last) > limit:
            return None
        before_last, last = last, current
    distance = min(last) if prefix else last[-1]
    return distance if distance <= limit else None

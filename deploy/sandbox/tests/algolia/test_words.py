"""Typos against a definition: the shortcuts must never change what a word matches."""

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from threadly_sandbox.algolia.text import QueryWord, fold, tokenize

LETTERS = st.text("abc", max_size=7)


def plain_distance(left: str, right: str) -> int:
    """Optimal string alignment by its recursive definition."""

    @cache
    def cost(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        best = min(cost(i - 1, j) + 1, cost(i, j - 1) + 1, cost(i - 1, j - 1) + (left[i - 1] != right[j - 1]))
        if i > 1 and j > 1 and left[i - 1] == right[j - 2] and left[i - 2] == right[j - 1]:
            best = min(best, cost(i - 2, j - 2) + 1)
        return best

    return cost(len(left), len(right))


@given(LETTERS.filter(bool), LETTERS, st.integers(0, 2))
def test_a_whole_word_matches_within_its_allowance(word: str, token: str, allowed: int) -> None:
    distance = plain_distance(word, token)
    assert QueryWord(word, allowed, prefix=False).typos_in(token) == (
        distance if distance <= allowed else None
    )


@given(LETTERS.filter(bool), LETTERS, st.integers(0, 2))
def test_a_prefix_matches_the_nearest_beginning(word: str, token: str, allowed: int) -> None:
    distance = min(plain_distance(word, token[:end]) for end in range(len(token) + 1))
    assert QueryWord(word, allowed, prefix=True).typos_in(token) == (
        distance if distance <= allowed else None
    )


@given(st.text())
def test_tokens_stand_where_they_say(text: str) -> None:
    for token in tokenize(text):
        assert fold(text[token.start : token.end]) == token.text

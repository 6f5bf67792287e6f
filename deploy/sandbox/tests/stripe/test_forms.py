from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadly_sandbox.stripe.forms import MAX_DEPTH, MalformedFormError, as_list, parse_form, unflatten

names = st.text(st.characters(exclude_characters="[]", exclude_categories=["Cs"]), min_size=1, max_size=8)
trees = st.recursive(
    st.dictionaries(names, st.text(max_size=8), min_size=1, max_size=4),
    lambda children: st.dictionaries(names, st.text(max_size=8) | children, min_size=1, max_size=4),
    max_leaves=12,
)


def flatten(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in tree.items():
        name = f"{prefix}[{key}]" if prefix else key
        pairs += flatten(value, name) if isinstance(value, dict) else [(name, value)]
    return pairs


@given(trees)
def test_a_flattened_tree_comes_back_as_it_was(tree: dict[str, Any]) -> None:
    assert unflatten(flatten(tree)) == tree


@given(st.lists(st.text(max_size=8), max_size=12))
def test_indexed_and_bare_lists_mean_the_same(items: list[str]) -> None:
    indexed = unflatten([(f"a[{index}]", item) for index, item in enumerate(items)])
    bare = unflatten([("a[]", item) for item in items])

    assert indexed == bare
    assert as_list(indexed.get("a", {})) == items


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(MalformedFormError):  # whatever else is raised fails the test
        assert isinstance(parse_form(text), dict)


def test_a_bare_item_never_replaces_an_indexed_one() -> None:
    assert as_list(parse_form("a[1]=x&a[]=y")["a"]) == ["x", "y"]


def test_percent_encoded_brackets_and_plus_signs_are_decoded() -> None:
    assert parse_form("types%5B0%5D=a&note=two+words") == {"types": {"0": "a"}, "note": "two words"}


def test_an_empty_value_is_kept_since_it_unsets() -> None:
    assert parse_form("description=") == {"description": ""}


@pytest.mark.parametrize(
    "text",
    ["a[=1", "a]=1", "[a]=1", "a[b]c=1", "a=1&a[b]=2", "a[b]=1&a=2", "a[][b]=1", "a" + "[b]" * MAX_DEPTH],
)
def test_contradictory_names_are_refused(text: str) -> None:
    with pytest.raises(MalformedFormError):
        parse_form(text if "=" in text else f"{text}=1")

"""JSON bodies: the examples of RFC 7396, what differs, what is no JSON object."""

import json
from typing import Any

import pytest

from threadly_operations.domain.json_body import Kind, NotAnObject, differences, merge, read_object, write


# RFC 7396, appendix A; of its rows those whose patch is an object, as ours always are.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_is_applied_as_the_rfc_says(
    target: Any, patch: dict[str, Any], result: dict[str, Any]
) -> None:
    before = json.dumps(target)
    assert merge(target, patch) == result
    assert json.dumps(target) == before


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": {"c": 2}}, {"b": {"c": 2}, "a": 1}, []),
        ({"a": 1}, {"a": 2}, [("/a", "changed", 1, 2)]),
        ({"a": 1}, {"a": True}, [("/a", "changed", 1, True)]),
        ({"a": None}, {}, [("/a", "removed", None, None)]),
        ({}, {"a": None}, [("/a", "added", None, None)]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("/a/c", "changed", 2, 3)]),
        ({"a": {"b": 1}}, {"a": [1]}, [("/a", "changed", {"b": 1}, [1])]),
        ({"a/b~c": 1}, {"a/b~c": 2}, [("/a~1b~0c", "changed", 1, 2)]),
    ],
)
def test_what_differs(before: Any, after: Any, found: list[tuple[str, str, Any, Any]]) -> None:
    told = differences(json.dumps(before).encode(), json.dumps(after).encode())
    assert [(each.path, str(each.kind), each.before, each.after) for each in told] == found


def test_a_body_that_is_no_json_differs_as_a_whole() -> None:
    [told] = differences(b"\xff{", b'{"a":1}')
    assert (told.path, told.kind, told.before, told.after) == ("", Kind.CHANGED, "\ufffd{", '{"a":1}')
    assert differences(b"\xff", b"\xff") == []


@pytest.mark.parametrize("body", [b"", b"\xff", b"{", b"[1]", b'"a"', b'{"a":' * 100_000, b"{}{}"])
def test_what_is_no_json_object(body: bytes) -> None:
    with pytest.raises(NotAnObject):
        read_object(body)


def test_it_is_written_as_events_are() -> None:
    assert write({"a": "Zoë", "b": [1, None]}) == '{"a":"Zoë","b":[1,null]}'.encode()
    for nonsense in ("\ud800", float("nan"), float("inf")):
        with pytest.raises(NotAnObject):
            write({"a": nonsense})
    with pytest.raises(NotAnObject):
        write(_nested(100_000))


def _nested(levels: int) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for _ in range(levels):
        body = {"a": body}
    return body

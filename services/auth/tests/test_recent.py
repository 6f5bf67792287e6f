"""The memory of some seconds."""

from threadly_auth.domain.recent import Recent


def test_a_value_is_good_for_its_time() -> None:
    recent: Recent[str, int] = Recent(limit=2)
    recent.put("a", 1, now=10, seconds=5)

    assert recent.get("a", now=14.9) == 1
    assert recent.get("a", now=15) is None
    assert recent.get("a", now=10) is None


def test_the_oldest_entry_leaves_when_there_is_no_room() -> None:
    recent: Recent[str, int] = Recent(limit=2)
    for name in ("a", "b", "a", "c"):
        recent.put(name, 1, now=0, seconds=5)

    assert [recent.get(name, now=1) for name in ("a", "b", "c")] == [1, None, 1]

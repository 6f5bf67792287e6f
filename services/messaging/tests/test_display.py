"""Times as people read them (R-MSG-11)."""

from datetime import UTC, datetime

import pytest

from threadly_messaging.domain.display import TimeZoneUnknown, formatted_time, zone_named

NOW = datetime(2026, 5, 1, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "zone", "shown"),
    [
        (datetime(2026, 5, 1, 9, 5, tzinfo=UTC), "UTC", "09:05"),
        (datetime(2026, 4, 30, 23, 59, tzinfo=UTC), "UTC", "Yesterday 23:59"),
        (datetime(2026, 3, 3, 14, 5, tzinfo=UTC), "UTC", "3 Mar 14:05"),
        (datetime(2025, 12, 31, 14, 5, tzinfo=UTC), "UTC", "31 Dec 2025 14:05"),
        # Half past midnight on 2 May in Vienna: what was said at 09:05 UTC was yesterday there.
        (datetime(2026, 5, 1, 9, 5, tzinfo=UTC), "Europe/Vienna", "Yesterday 11:05"),
    ],
)
def test_a_moment_is_shown_in_the_viewers_zone(moment: datetime, zone: str, shown: str) -> None:
    assert formatted_time(moment, now=NOW, zone=zone_named(zone)) == shown


@pytest.mark.parametrize("name", ["Europe/Nowhere", "Europe", "", "../../etc/passwd", "UTC\x00"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(TimeZoneUnknown):
        zone_named(name)

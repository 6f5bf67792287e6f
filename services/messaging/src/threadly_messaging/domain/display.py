"""How a moment is written for the person who looks at it (flows MS-25)."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from threadly_chassis.errors import Invalid


class TimeZoneUnknown(Invalid):
    """Not an IANA time zone."""

    code = "time_zone_unknown"
    title = "This time zone is not known"


def zone_named(name: str) -> ZoneInfo:
    """The IANA zone of that name; raises `TimeZoneUnknown`."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        # ZoneInfo raises ValueError for paths and OSError for directories, such as "Europe".
        raise TimeZoneUnknown("Use an IANA name such as Europe/Vienna.") from error


def formatted_time(moment: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """`14:05` today, `Yesterday 14:05`, `3 Mar 14:05` this year, `3 Mar 2025 14:05` before."""
    local, today = moment.astimezone(zone), now.astimezone(zone).date()
    clock = f"{local:%H:%M}"
    if local.date() == today:
        return clock
    if local.date() == today - timedelta(days=1):
        return f"Yesterday {clock}"
    # %b follows the process' locale, which nothing sets: English.
    day = f"{local.day} {local:%b}"
    return f"{day} {clock}" if local.year == today.year else f"{day} {local.year} {clock}"

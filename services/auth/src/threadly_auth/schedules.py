"""What auth does by the clock."""

from datetime import timedelta

from threadly_chassis.schedules import Every, Schedules

from .use_cases.poll_clerk import poll_clerk

SCHEDULES = Schedules(Every(timedelta(minutes=5), "poll_clerk", poll_clerk))

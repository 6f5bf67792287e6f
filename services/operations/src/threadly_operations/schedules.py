"""THE table of what operations does by the clock."""

from datetime import timedelta

from threadly_chassis.schedules import Every, Schedules

from .use_cases.gather_dead_letters import gather_dead_letters
from .use_cases.send_replays import send_replays

SCHEDULES = Schedules(
    Every(timedelta(seconds=1), "gather_dead_letters", gather_dead_letters),
    Every(timedelta(milliseconds=500), "send_replays", send_replays),
)

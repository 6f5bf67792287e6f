"""What search-indexer does by the clock."""

from datetime import timedelta

from threadly_chassis.schedules import Every, Schedules

from .use_cases.forget_queries import forget_queries
from .use_cases.repair_drift import repair_drift

SCHEDULES = Schedules(
    Every(timedelta(minutes=10), "repair_drift", repair_drift),
    Every(timedelta(hours=1), "forget_queries", forget_queries),
)

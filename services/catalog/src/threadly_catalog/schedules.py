"""THE table of what catalog does by the clock."""

from datetime import timedelta

from threadly_chassis.schedules import Every, Schedules

from .use_cases.fold_category_counts import fold_category_counts
from .use_cases.forget_ended_checkouts import forget_ended_checkouts
from .use_cases.release_lapsed_holds import release_lapsed_holds

SCHEDULES = Schedules(
    Every(timedelta(seconds=30), "fold_category_counts", fold_category_counts),
    Every(timedelta(seconds=30), "release_lapsed_holds", release_lapsed_holds),
    Every(timedelta(hours=6), "forget_ended_checkouts", forget_ended_checkouts),
)

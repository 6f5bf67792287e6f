"""How many letters of a replay go out now: its rate holds over the whole run, and there is no burst."""

from dataclasses import dataclass
from datetime import datetime, timedelta

#: Of a delay, this much is made up for. A turn takes half a second where disks are busy: with less, the rate
#: would fall for good (by 8 % when it was 0.5 s). With more, a replay would come out of a pause as a burst:
#: this way it is one second's letters at most.
CATCH_UP = timedelta(seconds=1)
#: Letters in one publish at most: each may have 256 KiB.
BATCH = 200
#: Letters of a replay at most that were sent and not heard of. A letter may spend an hour on the wait ladder
#: before it has failed again; without a bound all would be out before the stop rule knew of one.
MOST_OUT = 1000
#: Seconds between two turns: ten letters a turn at 200 letters a second.
TURN_SECONDS = 0.05
#: When nothing may go out now, the next look comes after this.
LOOK_AGAIN = timedelta(milliseconds=500)
#: When the broker did not take a letter (its queue is gone), the replay rests.
REST = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Turn:
    """So many letters go out now, and from `next_at` on the next one may."""

    letters: int
    next_at: datetime


def next_turn(due_at: datetime | None, now: datetime, rate: int, *, out: int) -> Turn:
    """Decide a replay's turn at `now`.

    `due_at` is when its next letter was due (None before the first one), `rate` its letters a second, `out`
    how many were sent and not heard of.
    """
    begin = max(due_at or now, now - CATCH_UP)
    if begin > now:
        return Turn(0, begin)
    due = int((now - begin).total_seconds() * rate) + 1
    letters = min(due, BATCH, MOST_OUT - out)
    if letters <= 0:
        return Turn(0, now + LOOK_AGAIN)
    return Turn(letters, begin + timedelta(seconds=letters / rate))

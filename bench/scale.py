"""How much of everything a run does."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Counts of events and seconds; a round is one turn of each contender."""

    rounds: int
    relay_events: int
    gathered_events: int
    consumed_events: int
    one_by_one_events: int
    append_seconds: float
    append_rounds: int
    send_seconds: float
    send_rounds: int
    latency_seconds: float
    latency_rounds: int
    catch_up_events: int
    outage_seconds: float
    outages: int
    most_seconds: float
    """For one measure; one that takes longer is given up and said to have failed."""
    calm_seconds: float
    """How long a measure waits, at most, for a machine that others leave alone."""


#: About four minutes: to see that nothing is far off.
QUICK = Scale(
    rounds=3,
    relay_events=10_000,
    gathered_events=2_000,
    consumed_events=8_000,
    one_by_one_events=1_000,
    append_seconds=0.5,
    append_rounds=12,
    send_seconds=1.0,
    send_rounds=6,
    latency_seconds=5.0,
    latency_rounds=2,
    catch_up_events=30_000,
    outage_seconds=12.0,
    outages=1,
    most_seconds=240.0,
    calm_seconds=0.0,
)
#: What is judged: every measure takes a minute or more, all together 20 to 30 of them.
FULL = Scale(
    rounds=7,
    relay_events=60_000,
    gathered_events=8_000,
    consumed_events=20_000,
    one_by_one_events=3_000,
    append_seconds=0.7,
    append_rounds=60,
    send_seconds=1.0,
    send_rounds=60,
    latency_seconds=20.0,
    latency_rounds=4,
    catch_up_events=1_000_000,
    outage_seconds=20.0,
    outages=3,
    most_seconds=900.0,
    calm_seconds=45.0,
)

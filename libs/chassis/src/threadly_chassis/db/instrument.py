"""Counts each statement and its time into the action under way and the metrics (R-OBS-07, R-OBS-10).

A commit is none, nor are the events that go along with it: what it waits for is the disk and the standby.
"""

import time
from typing import Any

from sqlalchemy import Engine, event

from ..context import action_under_way
from ..observability.metrics import DATABASE_SECONDS


def count_queries(engine: Engine) -> None:
    """Watch every statement that goes through `engine`."""

    @event.listens_for(engine, "before_cursor_execute")
    def start(connection: Any, *_: Any) -> None:
        connection.info["threadly_started"] = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def stop(connection: Any, *_: Any) -> None:
        seconds = time.perf_counter() - connection.info.pop("threadly_started", time.perf_counter())
        if action := action_under_way():
            action.database_queries += 1
            action.database_seconds += seconds
        DATABASE_SECONDS.observe(seconds)

"""The worker process of a service: relay, consumers, schedules, and a small HTTP door for health and metrics.

::

    run_worker(settings, open_deps=open_deps, subscriptions=SUBSCRIPTIONS, schedules=SCHEDULES)
"""

import asyncio
import faulthandler
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any, Self, TypeVar

import uvicorn
from fastapi import FastAPI

from .collector import tune_collector
from .errors import Unavailable
from .forks.watch import ForkWatch
from .http.health import health_router
from .messaging import Subscriptions
from .messaging.announcing import Announcer
from .messaging.connection import BROKER_ERRORS, BrokerConnection
from .messaging.consumer import ConsumerRunner, ConsumerTools
from .messaging.discards import with_discards
from .messaging.faults import FaultSwitch
from .messaging.handling import HasDatabase
from .messaging.ladder import Ladder
from .messaging.publisher import Publisher
from .messaging.rehearser import Rehearser
from .messaging.rehearsing import Rehearsing
from .messaging.resend import Resender
from .messaging.streams import StreamRules
from .messaging.suspects import Suspects
from .messaging.topology import Topology
from .messaging.watchdog import Watchdog
from .observability.errors import capture, configure_sentry
from .observability.logging import configure_logging, get_logger
from .observability.tracing import configure_tracing
from .outbox import outbox_wakeup
from .outbox.housekeeping import Housekeeper
from .outbox.relays import Relays
from .outbox.retention import Retention
from .rebuild.control import with_rebuild_control
from .rebuild.snapshots import Snapshots
from .rebuild.source import RebuildSource
from .rebuild.verdict import RebuildVerdicts
from .schedules import ScheduleRunner, Schedules
from .settings import Mode, ServiceSettings
from .tasks import end_tasks, only_own_cancellation

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)
OpenDeps = Callable[[SettingsT], AbstractAsyncContextManager[HasDatabase]]

_DRAIN_SECONDS = 30.0
#: From the beginning of the drain until the process is ended whatever hangs in it: what it holds comes again,
#: while a worker that lingers keeps its row locks, and not everywhere is a supervisor that kills it.
END_SECONDS = 60.0

_log = get_logger(__name__)


def _stream_rules(settings: ServiceSettings) -> StreamRules:
    return StreamRules(
        resend_after=settings.gap_resend_after,
        alert_after=settings.gap_alert_after,
        give_up_after=settings.gap_give_up_after,
        parked_max=settings.parked_max,
        sweep_every=min(1.0, settings.gap_resend_after / 2),
    )


def _retention(settings: ServiceSettings) -> Retention:
    return Retention(
        history=timedelta(days=settings.history_days),
        inbox=timedelta(days=settings.inbox_days),
        keys=timedelta(days=settings.idempotency_days),
    )


class Worker:
    """The running parts of a worker; `async with` it: they run inside, and drain on the way out.

    `on_death` is called with the error when one of its tasks ends by itself, which none may.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        deps: HasDatabase,
        subscriptions: Subscriptions,
        schedules: Schedules,
        on_death: Callable[[BaseException], None],
        *,
        snapshots: Snapshots | None = None,
    ) -> None:
        subscriptions = with_discards(with_rebuild_control(subscriptions))
        self._settings = settings
        self._deps = deps
        self._on_death = on_death
        url, name = settings.amqp_url.get_secret_value(), settings.service
        self._database_url = settings.database_url.get_secret_value()
        self._ladder = Ladder(settings.retry_ladder)
        self._topology = Topology([subscriptions], self._ladder)
        self._consuming = BrokerConnection(url, f"{name} worker: consume")
        self._relaying = BrokerConnection(url, f"{name} worker: relay")
        self._republishing = BrokerConnection(url, f"{name} worker: republish")
        self._rebuilding = BrokerConnection(url, f"{name} worker: rebuild")
        self.relay = Relays(self._database_url, self._relaying, settings.relays)
        tools = self._consumer_tools()
        self.consumers = [ConsumerRunner(consumer, tools) for consumer in subscriptions]
        self._forks = ForkWatch(subscriptions, deps.db, Publisher(self._republishing), self._ladder)
        self._resender = Resender(
            name, deps.db, self._consuming, Publisher(self._republishing), self._forks.takers
        )
        rehearsing = Rehearsing(subscriptions, deps, tools.faults)
        self._rehearser = Rehearser(name, rehearsing, self._consuming, Publisher(self._republishing))
        names = [runner.consumer.name for runner in self.consumers]
        self._announcer = Announcer(deps.db, name, names, settings.release)
        self._schedules = [ScheduleRunner(entry, deps.db, deps) for entry in schedules]
        self._rebuild_source = RebuildSource(
            name,
            deps,
            publisher=Publisher(self._rebuilding),
            looking=self._consuming,
            snapshots=snapshots or {},
        )
        self._housekeeper = Housekeeper(
            self._database_url, retention=_retention(settings), span=settings.outbox_partition_events
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._draining_tasks: list[asyncio.Task[None]] = []
        self._wakeup = outbox_wakeup(deps.db)
        self.is_draining = False

    def _consumer_tools(self) -> ConsumerTools:
        settings, deps = self._settings, self._deps
        return ConsumerTools(
            deps=deps,
            connection=self._consuming,
            publisher=Publisher(self._republishing),
            ladder=self._ladder,
            faults=FaultSwitch(deps.db.engine, enabled=settings.mode is Mode.SANDBOX),
            suspects=Suspects(deps.db),
            release=settings.release,
            stream_rules=_stream_rules(settings),
        )

    async def __aenter__(self) -> Self:
        await self._wakeup.__aenter__()
        self._start("topology, relay and consumers", self._run_broker_side())
        self._start("housekeeping", self._housekeeper.run())
        self._start("rebuild source", self._rebuild_source.run())
        self._start("rebuild verdicts", RebuildVerdicts(self._deps.db).run())
        for runner in self._schedules:
            self._draining_tasks.append(self._start("schedule", runner.run()))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.is_draining = True
        for consumer in self.consumers:
            consumer.drain()
        for schedule in self._schedules:
            schedule.drain()
        self._resender.drain()
        self._rehearser.drain()
        if self._draining_tasks:
            await asyncio.wait(self._draining_tasks, timeout=_DRAIN_SECONDS)
        await end_tasks(*self._tasks)
        await self._wakeup.__aexit__(None, None, None)
        for connection in (self._consuming, self._relaying, self._republishing, self._rebuilding):
            await connection.close()

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self.is_draining:
            return
        # Nobody here cancels a task before the drain: one that was cancelled is gone like any other.
        error = (None if task.cancelled() else task.exception()) or RuntimeError(f"{task.get_name()} ended")
        capture(error, kind="worker", task=task.get_name())
        self._on_death(error)

    async def _run_broker_side(self) -> None:
        await self._apply_topology()
        self._start("announcing", self._announcer.run())
        for runner in self.consumers:
            self._draining_tasks.append(self._start(runner.consumer.name, runner.run()))
        self._draining_tasks.append(self._start("resending", self._resender.run()))
        self._start("forks", self._forks.run())
        self._draining_tasks.append(self._start("rehearsing", self._rehearser.run()))
        self._start("watchdog", Watchdog(self.consumers, self._consuming).run())
        await self.relay.run()

    async def _apply_topology(self) -> None:
        """Declare what this service needs, as soon as there is a broker."""
        wait = 0.2
        while True:
            try:
                with only_own_cancellation():
                    return await self._topology.apply(await self._consuming.get())
            except BROKER_ERRORS as error:
                _log.warning("topology not applied", error=repr(error), seconds=wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)

    async def check_consumers(self) -> None:
        """Raise unless every consumer is subscribed and nobody has asked for the end."""
        idle = [runner.consumer.name for runner in self.consumers if not runner.is_consuming]
        if idle or self.is_draining:
            raise Unavailable(f"not consuming: {', '.join(idle) or 'draining'}")

    async def check_relay(self) -> None:
        """Raise unless the relay has its database."""
        if not self.relay.is_connected:
            raise Unavailable("the relay has no database")


def run_worker(
    settings: SettingsT,
    *,
    open_deps: OpenDeps[SettingsT],
    subscriptions: Subscriptions,
    schedules: Schedules | None = None,
    snapshots: Snapshots | None = None,
) -> None:
    """Run the worker until SIGTERM (drains, at most 30 s) or until one of its tasks dies (exits with 1).

    A drain that hangs is cut off after a minute: every thread's stack on stderr, exit with 1.

    `snapshots` restate what the outbox has dropped, when a reader of it is rebuilt.
    """
    configure_logging(f"{settings.service}-worker", settings.log_level)
    configure_tracing(f"{settings.service}-worker", settings.otlp_endpoint)
    configure_sentry(f"{settings.service}-worker", settings.sentry_dsn, settings.release)
    deaths: list[BaseException] = []

    def die(error: BaseException) -> None:
        deaths.append(error)
        server.should_exit = True

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_deps(settings) as deps:
            worker = Worker(settings, deps, subscriptions, schedules or Schedules(), die, snapshots=snapshots)
            checks = {
                "database": deps.db.ping,
                "consumers": worker.check_consumers,
                "relay": worker.check_relay,
            }
            app.include_router(health_router(settings.service, settings.release, checks))
            async with worker:
                tune_collector()
                yield
                faulthandler.dump_traceback_later(END_SECONDS, exit=True)

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    config = uvicorn.Config(
        app, host=settings.http_host, port=settings.worker_port, loop="uvloop", log_config=None, lifespan="on"
    )
    server = uvicorn.Server(config)
    server.run()
    if deaths or not server.started:
        sys.exit(1)

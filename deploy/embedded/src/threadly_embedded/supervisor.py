"""Keeps programs running: starts them in stages, restarts what dies, stops them in the opposite order."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from time import monotonic, time

from .errors import LauncherError, NotReadyError
from .logs import RotatingLog
from .privileges import output_pipe
from .program import Program

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
STABLE_AFTER = 30.0
"""Seconds alive after which an end counts as a new story and the pause starts small again."""


class State(StrEnum):
    """Where one program stands."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DOWN = "down"
    STOPPED = "stopped"


@dataclass
class Standing:
    """What is known about one program; times are Unix seconds."""

    state: State = State.WAITING
    reason: str = ""
    pid: int | None = None
    since: float = 0.0
    restarts: int = 0


class Keeper:
    """Keeps one program alive until told to stop."""

    def __init__(self, program: Program, logs: Path, changed: Callable[[], None]) -> None:
        self.program = program
        self.standing = Standing()
        self.ready = asyncio.Event()
        self._log = RotatingLog(logs / f"{program.name}.log")
        self._changed = changed
        self._stopping = False
        self._wake = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.program.name}")

    def heal(self) -> None:
        """End a pause between restarts now."""
        self._wake.set()

    async def stop(self) -> None:
        """Ask the program to end, wait its grace, then kill its whole process group."""
        self._stopping = True
        self._wake.set()
        self._signal()
        if self._task is not None:
            done, _ = await asyncio.wait([self._task], timeout=self.program.stop_seconds)
            if not done:
                self._log.note(f"did not end within {self.program.stop_seconds:g} s: killed")
                self._kill_group()
            await self._task
        self._stand(State.STOPPED, "")

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping:
            started = monotonic()
            reason = await self._run_once()
            self.ready.clear()
            if self._stopping:
                break
            pause = FIRST_PAUSE if monotonic() - started > STABLE_AFTER else pause
            self._stand(State.DOWN, f"{reason}; next try in {pause:g} s")
            self._log.note(self.standing.reason)
            self._wake.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            self.standing.restarts += 1

    async def _run_once(self) -> str:
        """Run the program until it ends; return why it ended."""
        program = self.program
        self._stand(State.STARTING, "")
        try:
            await asyncio.to_thread(program.prepare)
            self._process, output = await self._spawn()
        except (LauncherError, OSError) as error:
            return str(error)
        process = self._process
        self._stand(State.STARTING, "", pid=process.pid)
        if self._stopping:
            self._signal()  # told to stop between the preparation and the start
        watch = asyncio.create_task(self._watch(), name=f"watch {program.name}")
        following = asyncio.create_task(self._log.follow(output), name=f"log {program.name}")
        code = await process.wait()
        watch.cancel()
        self._kill_group()  # what it forked must not hold its ports, nor the pipe of its output
        await following
        return f"ended with {code}" if code >= 0 else f"ended by {signal.Signals(-code).name}"

    async def _spawn(self) -> tuple[asyncio.subprocess.Process, int]:
        """Start the program; return it and the read end of its output."""
        program = self.program
        # A program gets the settings that are its business, not all that the launcher was given.
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith("THREADLY_")}
        reading, writing = output_pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *program.command,
                cwd=program.folder,
                env={**surroundings, **program.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                # Its own process group: Ctrl-C on the terminal is not for it, and a kill reaches all of it.
                start_new_session=True,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return process, reading

    async def _watch(self) -> None:
        """Call the program ready when its check first passes."""
        deadline = monotonic() + self.program.ready_seconds
        while not self._stopping:
            try:
                await asyncio.to_thread(self.program.check)
            except NotReadyError as error:
                late = monotonic() > deadline
                self._stand(State.DOWN if late else State.STARTING, str(error), pid=self.standing.pid)
                await asyncio.sleep(0.1)
            else:
                self._stand(State.READY, "", pid=self.standing.pid)
                self.ready.set()
                return

    def _signal(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(self.program.stop_signal)

    def _kill_group(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _stand(self, state: State, reason: str, pid: int | None = None) -> None:
        changed = state is not self.standing.state
        self.standing.state, self.standing.reason, self.standing.pid = state, reason, pid
        if changed:
            self.standing.since = time()
        self._changed()


class Supervisor:
    """Runs stages of programs: a stage starts when all of the one before it are ready."""

    def __init__(
        self, stages: Sequence[Sequence[Program]], logs: Path, changed: Callable[[], None] = lambda: None
    ) -> None:
        self.stages = [[Keeper(program, logs, changed) for program in stage] for stage in stages]

    @property
    def standings(self) -> dict[str, Standing]:
        return {keeper.program.name: keeper.standing for stage in self.stages for keeper in stage}

    async def start(self, patience: float | None = None) -> None:
        """Start the stages in order; the next one starts when all of the one before it are ready.

        After ``patience`` seconds a stage is started in spite of what is missing (None: never), so that one
        broken service does not keep the others from being reached.
        """
        for stage in self.stages:
            for keeper in stage:
                keeper.start()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(*(keeper.ready.wait() for keeper in stage)), patience)

    async def stop(self) -> None:
        """Stop the stages in the opposite order; the programs of one stage at the same time."""
        for stage in reversed(self.stages):
            await asyncio.gather(*(keeper.stop() for keeper in stage))

    def heal(self) -> None:
        """Try at once to start what is down."""
        for stage in self.stages:
            for keeper in stage:
                keeper.heal()

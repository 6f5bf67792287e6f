"""RabbitMQ from the system package, started directly with a private node, folders and ports."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import httpx

from ..errors import LauncherError, NotReadyError
from ..files import secret, write_whole
from ..ports import LOOPBACK, check_listening
from ..privileges import give_to_server_user, server_command
from ..program import Program

USER = "threadly"
# The scripts themselves: /usr/sbin/rabbitmq-server is Debian's wrapper, which insists on the system's node.
_SCRIPTS = Path("/usr/lib/rabbitmq/bin")
_PLUGINS = "[rabbitmq_management,rabbitmq_prometheus].\n"


@dataclass(frozen=True)
class RabbitPorts:
    """Every port a node listens on; each would clash with a second node."""

    amqp: int
    management: int
    prometheus: int
    distribution: int
    epmd: int


@dataclass(frozen=True)
class RabbitMQ:
    """One RabbitMQ node whose state lies in ``folder``."""

    folder: Path
    ports: RabbitPorts

    @property
    def url(self) -> str:
        return f"amqp://{USER}:{self._password}@{LOOPBACK}:{self.ports.amqp}/"

    @property
    def management_url(self) -> str:
        return f"http://{USER}:{self._password}@{LOOPBACK}:{self.ports.management}"

    @property
    def programs(self) -> tuple[Program, Program]:
        """Erlang's port mapper first (else the node leaves one behind that outlives it), then the node."""
        mapper = Program(
            name="epmd",
            command=server_command(
                (_tool("epmd"), "-address", LOOPBACK, "-port", str(self.ports.epmd)), self.folder
            ),
            folder=self.folder,
            prepare=self.configure,
            check=lambda: check_listening(self.ports.epmd),
            stop_seconds=5,
        )
        node = Program(
            name="rabbitmq",
            command=server_command((str(_SCRIPTS / "rabbitmq-server"),), self.folder),
            folder=self.folder,
            environment=self._environment(),
            prepare=self.configure,
            check=self.check,
            ready_seconds=120,
        )
        return mapper, node

    def configure(self) -> None:
        """Write the node's configuration; only the server's user may read it."""
        if not (_SCRIPTS / "rabbitmq-server").exists():
            raise LauncherError("RabbitMQ is missing; install it with: apt-get install rabbitmq-server")
        for name in ("home", "mnesia", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(self.folder / "rabbitmq.conf", self._configuration(), mode=0o600)
        write_whole(self.folder / "enabled_plugins", _PLUGINS)
        secret(self.folder / "home" / ".erlang.cookie")
        (self.folder / "home" / ".erlang.cookie").chmod(0o400)
        for name in ("rabbitmq.conf", "enabled_plugins", "home", "mnesia", "log"):
            give_to_server_user(self.folder / name)

    def check(self) -> None:
        """Raise :class:`NotReadyError` unless AMQP and management serve."""
        check_listening(self.ports.amqp)
        try:
            answer = httpx.get(
                f"http://{LOOPBACK}:{self.ports.management}/api/health/checks/local-alarms",
                auth=(USER, self._password),
                timeout=2,
                trust_env=False,
            )
        except httpx.HTTPError as error:
            raise NotReadyError(f"management does not answer ({error})") from error
        if answer.status_code != httpx.codes.OK:
            raise NotReadyError(f"management answers {answer.status_code}: {answer.text[:200]}")

    def _configuration(self) -> str:
        lines = (
            f"listeners.tcp.1 = {LOOPBACK}:{self.ports.amqp}",
            f"management.tcp.ip = {LOOPBACK}",
            f"management.tcp.port = {self.ports.management}",
            f"prometheus.tcp.ip = {LOOPBACK}",
            f"prometheus.tcp.port = {self.ports.prometheus}",
            f"default_user = {USER}",
            f"default_pass = {self._password}",
            "default_permissions.configure = .*",
            "default_permissions.read = .*",
            "default_permissions.write = .*",
            "default_user_tags.administrator = true",
            "log.console = true",
            "log.console.level = warning",
            "log.file = false",
            # Quorum queues write a shared log ahead; its default segment of 512 MB is a server's size.
            "raft.wal_max_size_bytes = 33554432",
            "disk_free_limit.absolute = 200MB",
            "vm_memory_high_watermark.absolute = 1GB",
        )
        return "\n".join(lines) + "\n"

    def _environment(self) -> dict[str, str]:
        # Two clones on one machine get two nodes; the port mapper is private as well.
        node = f"threadly-{crc32(str(self.folder).encode()):08x}@localhost"
        loopback_tuple = "{" + LOOPBACK.replace(".", ",") + "}"
        return {
            "HOME": str(self.folder / "home"),
            "RABBITMQ_NODENAME": node,
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(self.folder / "home" / "rabbitmq.pid"),
            "RABBITMQ_DIST_PORT": str(self.ports.distribution),
            "ERL_EPMD_PORT": str(self.ports.epmd),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            # "Allow input" makes the script become the Erlang machine instead of standing before it, so
            # signals arrive; -noinput takes the input away again.
            "RABBITMQ_ALLOW_INPUT": "true",
            "RABBITMQ_SERVER_START_ARGS": "-noinput",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {loopback_tuple}",
        }

    @property
    def _password(self) -> str:
        return secret(self.folder / "password")


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise LauncherError(f"{name} is missing; install it with: apt-get install rabbitmq-server")
    return path

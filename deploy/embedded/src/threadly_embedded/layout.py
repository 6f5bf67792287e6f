"""Where the system keeps its state and where it listens."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import LauncherError

SERVICES = ("auth", "catalog", "search-indexer", "messaging", "orders", "notifier", "operations")
PROVIDERS = ("page", "clerk", "stripe", "algolia", "pusher", "sentry", "smtp")

#: docs/seams.md §2; the last three are RabbitMQ's own and private to the node.
_DEFAULT_PORTS = {
    "gateway": 3002,
    "operators": 3010,
    **{f"{service}_http": 7101 + place for place, service in enumerate(SERVICES)},
    **{f"{service}_worker": 7201 + place for place, service in enumerate(SERVICES)},
    **{f"sandbox_{provider}": 7300 + place for place, provider in enumerate(PROVIDERS)},
    "postgres": 7432,
    "redis": 7379,
    "amqp": 7672,
    "amqp_management": 7673,
    "amqp_prometheus": 7674,
    "amqp_distribution": 7675,
    "epmd": 7676,
}


def root_folder() -> Path:
    """Return the clone's root: the nearest folder above this file with the lock, else the current one."""
    here = Path(__file__).resolve()
    return next((folder for folder in here.parents if (folder / "requirements.lock").exists()), Path.cwd())


def package_of(service: str) -> str:
    return f"threadly_{service.replace('-', '_')}"


def variable_of(port: str) -> str:
    """Return the setting that moves one port: ``THREADLY_ORDERS_HTTP_PORT`` for ``orders_http``."""
    return f"THREADLY_{port.replace('-', '_').upper()}_PORT"


@dataclass(frozen=True)
class Layout:
    """The state folder and the ports of one running system; two systems share neither."""

    folder: Path
    ports: Mapping[str, int]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Layout":
        """Read ``THREADLY_RUN_FOLDER``, ``THREADLY_PORT_OFFSET`` and each port's own setting.

        Raises :class:`LauncherError` for a port that is no port or used twice.
        """
        folder = Path(environment.get("THREADLY_RUN_FOLDER") or root_folder() / ".run")
        offset = _number(environment, "THREADLY_PORT_OFFSET", 0)
        ports = {
            name: _number(environment, variable_of(name), default + offset)
            for name, default in _DEFAULT_PORTS.items()
        }
        for name, port in ports.items():
            twin = next(other for other, number in ports.items() if number == port)
            if twin != name:
                raise LauncherError(f"{variable_of(name)} and {variable_of(twin)} are both {port}")
            if not 0 < port < 65536:  # noqa: PLR2004 - the range of TCP ports
                raise LauncherError(f"{variable_of(name)} is {port}, which is no TCP port")
        return cls(folder.resolve(), ports)

    @property
    def public_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def operators_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['operators']}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['sandbox_page']}"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def status(self) -> Path:
        """What the supervisor knows of its programs, as JSON."""
        return self.folder / "status.json"

    @property
    def lock(self) -> Path:
        """Locked by the supervisor as long as it lives."""
        return self.folder / "supervisor.lock"


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    try:
        return int(text) if text else default
    except ValueError as error:
        raise LauncherError(f"{name} is {text!r}, which is no number") from error

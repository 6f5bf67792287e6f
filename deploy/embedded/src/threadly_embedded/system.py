"""What the whole system consists of: the servers, the services, and what happens between their starts."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

import httpx

from .environment import database_password, python_settings, settings_for, system_settings
from .errors import LauncherError, NotReadyError
from .files import write_whole
from .layout import SERVICES, Layout, package_of, root_folder
from .ports import LOOPBACK
from .privileges import die_with_parent
from .program import Program
from .servers.nginx import Nginx
from .servers.postgres import Postgres
from .servers.rabbitmq import RabbitMQ, RabbitPorts
from .servers.redis import Redis
from .shell import run

#: For one person with a browser and a story test; production sets its own.
_LIMITS = {
    "THREADLY_GATEWAY_RATE_ADDRESS": "200r/s",
    "THREADLY_GATEWAY_BURST_ADDRESS": "400",
    "THREADLY_GATEWAY_RATE_CREDENTIAL": "100r/s",
    "THREADLY_GATEWAY_BURST_CREDENTIAL": "200",
}


@dataclass(frozen=True)
class System:
    """One running system, described; nothing here starts anything."""

    layout: Layout
    postgres: Postgres
    redis: Redis
    rabbitmq: RabbitMQ
    nginx: Nginx
    settings: Mapping[str, str]

    @classmethod
    def at(cls, layout: Layout, own: Mapping[str, str]) -> "System":
        """Describe the system at ``layout``; ``own`` are the settings that the person set."""
        ports = layout.ports
        postgres = Postgres(layout.data / "postgres", ports["postgres"])
        redis = Redis(layout.data / "redis", ports["redis"])
        rabbit_ports = RabbitPorts(
            amqp=ports["amqp"],
            management=ports["amqp_management"],
            prometheus=ports["amqp_prometheus"],
            distribution=ports["amqp_distribution"],
            epmd=ports["epmd"],
        )
        rabbitmq = RabbitMQ(layout.data / "rabbitmq", rabbit_ports)
        settings = system_settings(
            layout,
            own,
            amqp_url=rabbitmq.url,
            amqp_management_url=rabbitmq.management_url,
            redis_url=redis.url,
        )
        nginx = Nginx(
            layout.data / "gateway",
            root_folder() / "deploy" / "gateway" / "templates",
            _gateway_values(layout, settings),
            f"{layout.public_url}/health",
        )
        return cls(layout, postgres, redis, rabbitmq, nginx, settings)

    @property
    def servers(self) -> list[list[Program]]:
        mapper, node = self.rabbitmq.programs
        return [[mapper], [self.postgres.program, self.redis.program, node]]

    @property
    def applications(self) -> list[list[Program]]:
        """The sandbox first, for services speak to it when they start; the gateway last."""
        processes = [program for service in SERVICES for program in self._of_service(service)]
        return [[self._sandbox()], processes, [self.nginx.program]]

    @property
    def programs(self) -> list[Program]:
        return [program for stage in (*self.servers, *self.applications) for program in stage]

    def make_folders(self) -> None:
        """Make the state folder; raises :class:`LauncherError` when it cannot be written."""
        try:
            for name in ("postgres", "redis", "rabbitmq", "gateway", "sandbox"):
                (self.layout.data / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LauncherError(f"cannot write to {self.layout.folder}: {error.strerror}") from error

    def provide_databases(self) -> None:
        """Make each service's role and database; repeating changes nothing."""
        for service in SERVICES:
            self.postgres.provide(package_of(service), database_password(self.layout, service))

    def migrate(self) -> str:
        """Bring every database up to date; raises :class:`LauncherError` with what went wrong."""
        return self._tool("migration", "threadly_chassis.db.migrate", *map(package_of, SERVICES))

    def declare_topology(self) -> str:
        """Declare every exchange, queue and binding, so that no event of a first start goes unheard."""
        listening = [p for p in map(package_of, SERVICES) if find_spec(f"{p}.subscriptions")]
        return self._tool("topology", "threadly_chassis.messaging.topology_cli", "apply", *listening)

    def _tool(self, name: str, module: str, *arguments: str) -> str:
        # One process for all services: most of the time goes into importing, once.
        done = run(
            (sys.executable, "-m", module, *arguments),
            environment={**self.settings, **python_settings(self.layout)},
        )
        log = self.layout.logs / f"{name}.log"
        write_whole(log, done.stdout + done.stderr)
        if done.returncode != 0:
            last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise LauncherError(f"the {name} failed: {last}; see {log}")
        return done.stdout

    def _of_service(self, service: str) -> list[Program]:
        return [
            self._python(service, f"{package_of(service)}.main", self.layout.ports[f"{service}_http"]),
            self._python(
                f"{service}-worker", f"{package_of(service)}.worker", self.layout.ports[f"{service}_worker"]
            ),
        ]

    def _python(self, name: str, module: str, port: int) -> Program:
        return Program(
            name=name,
            command=die_with_parent((sys.executable, "-m", module)),
            folder=root_folder(),
            environment=settings_for(name.removesuffix("-worker"), self.settings)
            | python_settings(self.layout),
            prepare=lambda: _must_exist(module),
            check=lambda: check_ready(f"http://{LOOPBACK}:{port}/health/ready"),
        )

    def _sandbox(self) -> Program:
        return Program(
            name="sandbox",
            command=die_with_parent((sys.executable, "-m", "threadly_sandbox.main")),
            folder=root_folder(),
            environment={**self.settings, **python_settings(self.layout)},
            prepare=lambda: _must_exist("threadly_sandbox.main"),
            check=lambda: check_ready(self.layout.sandbox_url),
            stop_seconds=10,
        )


def check_ready(url: str) -> None:
    """Raise :class:`NotReadyError` with the named faults unless ``url`` answers 2xx or 3xx."""
    try:
        answer = httpx.get(url, timeout=3, trust_env=False)
    except httpx.HTTPError as error:
        raise NotReadyError(f"{url} does not answer ({str(error) or type(error).__name__})") from error
    if answer.status_code >= httpx.codes.BAD_REQUEST:
        raise NotReadyError(f"{url} answers {answer.status_code}: {answer.text[:300]}")


def _must_exist(module: str) -> None:
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise LauncherError(f"there is no module {module}; install the clone's packages with: tools/sync")


def _gateway_values(layout: Layout, settings: Mapping[str, str]) -> dict[str, str]:
    host = settings.get("THREADLY_GATEWAY_HOST", LOOPBACK)
    values = {
        "THREADLY_GATEWAY_LISTEN": f"{host}:{layout.ports['gateway']}",
        "THREADLY_OPERATORS_LISTEN": f"{LOOPBACK}:{layout.ports['operators']}",
        "THREADLY_GATEWAY_MEDIA": str(layout.data / "media"),
        # The dashboard and the web shop, which run in a browser on this machine.
        "THREADLY_GATEWAY_ORIGINS": r"^http://(localhost|127\.0\.0\.1):(3000|3001)$",
        **_LIMITS,
    }
    for service in SERVICES:
        name = package_of(service).upper()
        values[f"{name}_ADDRESS"] = f"{LOOPBACK}:{layout.ports[f'{service}_http']}"
    return values | {
        name: settings[name] for name in settings if name in values or name.endswith("SIGN_IN_URL")
    }

"""nginx from the system package as the gateway, with a private prefix and the templates of deploy/gateway."""

import re
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from ..errors import LauncherError, NotReadyError
from ..files import write_whole
from ..privileges import give_to_server_user, server_command
from ..program import Program
from ..shell import run

_PLACEHOLDER = re.compile(r"\$\{(THREADLY_[A-Z_]+)\}")
# What the image's own nginx.conf does in compose; the gateway's text itself is in the templates.
_MAIN = """\
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
worker_processes 2;
worker_shutdown_timeout 20s;
events {{ worker_connections 2048; }}
http {{
    client_body_temp_path {folder}/temp/body;
    proxy_temp_path {folder}/temp/proxy;
    fastcgi_temp_path {folder}/temp/fastcgi;
    uwsgi_temp_path {folder}/temp/uwsgi;
    scgi_temp_path {folder}/temp/scgi;
    default_type application/octet-stream;
    sendfile on;
    keepalive_timeout 65s;
    include {folder}/conf/gateway.conf;
}}
"""


def render(template: str, values: Mapping[str, str]) -> str:
    """Replace each ``${THREADLY_NAME}``; raises :class:`LauncherError` for a name without a value."""

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise LauncherError(f"the gateway's template wants {match[1]}, which has no value")
        return values[match[1]]

    return _PLACEHOLDER.sub(value_of, template)


@dataclass(frozen=True)
class Nginx:
    """One nginx whose state lies in ``folder``."""

    folder: Path
    templates: Path
    values: Mapping[str, str]
    """What the templates' placeholders become, beside the folders, which are this server's own business."""
    health_url: str

    @property
    def program(self) -> Program:
        return Program(
            name="gateway",
            command=server_command(
                (*self._command(), "-c", str(self._main)), self.folder, stop_signal=signal.SIGQUIT
            ),
            folder=self.folder,
            prepare=self.configure,
            check=self.check,
            stop_signal=signal.SIGQUIT,  # finishes the requests under way
        )

    def configure(self) -> None:
        """Render the templates and let nginx judge them; raises :class:`LauncherError` with its verdict."""
        for name in ("temp", "cache", "conf"):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        for template in self.templates.glob("*.template"):
            text = render(template.read_text(encoding="utf-8"), self._all_values())
            write_whole(self.folder / "conf" / template.stem, text)
        write_whole(self._main, _MAIN.format(folder=self.folder))
        give_to_server_user(self.folder)
        test = server_command((*self._command(), "-t", "-q", "-c", str(self._main)), self.folder)
        verdict = run(test, quiet=True)
        if verdict.returncode != 0:
            raise LauncherError(f"nginx refuses the gateway's configuration: {verdict.stderr.strip()}")

    def check(self) -> None:
        """Raise :class:`NotReadyError` unless the gateway answers."""
        try:
            answer = httpx.get(self.health_url, timeout=2, trust_env=False)
        except httpx.HTTPError as error:
            raise NotReadyError(f"{self.health_url} does not answer ({error})") from error
        if answer.status_code != httpx.codes.OK:
            raise NotReadyError(f"{self.health_url} answers {answer.status_code}")

    def _command(self) -> tuple[str, ...]:
        # Debian keeps it in /usr/sbin, which is not on an ordinary user's path.
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            raise LauncherError("nginx is missing; install it with: apt-get install nginx-light")
        return (program, "-p", str(self.folder), "-e", "stderr")

    def _all_values(self) -> dict[str, str]:
        return {
            "THREADLY_GATEWAY_CONF": str(self.folder / "conf"),
            "THREADLY_GATEWAY_CACHE": str(self.folder / "cache"),
            "THREADLY_GATEWAY_STATIC": str(self.templates.parent / "static"),
            "THREADLY_GATEWAY_ACCESS_LOG": "/dev/stdout",
            **self.values,
        }

    @property
    def _main(self) -> Path:
        return self.folder / "nginx.conf"

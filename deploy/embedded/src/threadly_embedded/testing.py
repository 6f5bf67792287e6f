"""For the gateway's tests: a real nginx before small upstreams that tell what reached them."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from .errors import NotReadyError
from .layout import SERVICES, package_of, root_folder
from .ports import free_ports
from .servers.nginx import Nginx

SIGN_IN = "http://127.0.0.1:7301/sign-in"


def wait_until(check: Callable[[], object], what: str, seconds: float = 30.0, interval: float = 0.02) -> None:
    """Return when ``check`` raises nothing; fail with what was waited for, and why not, after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            check()
        except (NotReadyError, AssertionError) as error:
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds:g} s until {what}: {error}") from error
            time.sleep(interval)
        else:
            return


@dataclass
class Answer:
    """What an upstream says."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Seen:
    """A request as it reached an upstream; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def exchange(seen: Seen) -> Answer:
    """Answer as auth does: a credential that begins with ``good-`` is exchanged, the rest is refused."""
    credential = seen.headers.get("authorization", "").removeprefix("Bearer ")
    credential = credential or seen.headers.get("cookie", "").removeprefix("__session=")
    if credential.startswith("good-"):
        return Answer(204, {"X-Identity-Token": f"identity-of-{credential}", "Cache-Control": "no-store"})
    if credential == "suspended":
        return Answer(403)
    return Answer(401, {"WWW-Authenticate": "Bearer", "Content-Type": "application/problem+json"}, b"{}")


class Upstream:
    """A service's stand-in: echoes each request as JSON, or gives the answer set for its path."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self.answers: dict[str, Answer | Callable[[Seen], Answer]] = {}
        self.seen: list[str] = []
        self.here = False
        self._server: ThreadingHTTPServer | None = None

    def answer(self, seen: Seen) -> Answer:
        path = seen.path.partition("?")[0]
        self.seen.append(path)
        answer = self.answers.get(path, self._echo)
        return answer if isinstance(answer, Answer) else answer(seen)

    def start(self) -> None:
        handler = type("Handler", (_Handler,), {"upstream": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        self.here = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.here = False
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @contextmanager
    def away(self) -> Iterator[None]:
        """Refuse connections for a while."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def _echo(self, seen: Seen) -> Answer:
        body = {
            "upstream": self.name,
            "method": seen.method,
            "path": seen.path,
            "headers": seen.headers,
            "body": seen.body.decode("latin-1"),
        }
        return Answer(200, {"Content-Type": "application/json"}, json.dumps(body).encode())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream: Upstream

    def handle_one_request(self) -> None:
        with suppress(ConnectionError):
            super().handle_one_request()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
        """Say nothing: the tests look at what was seen."""

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, headers, self._body())
        if not self.upstream.here:
            self.close_connection = True  # a kept connection of an upstream that is away
            return
        answer = self.upstream.answer(seen)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != httpx.codes.NO_CONTENT:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    # http.server finds them by these names.
    do_GET = do_POST = do_PATCH = _serve  # noqa: N815 - the names that http.server looks for

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body


@dataclass(frozen=True)
class Gateway:
    """The running gateway and its upstreams."""

    url: str
    operators_url: str
    upstreams: Mapping[str, Upstream]
    client: httpx.Client

    @property
    def auth(self) -> Upstream:
        return self.upstreams["auth"]

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask for ``path`` with headers named as Python names: ``X_Request_Id="7"``."""
        return self.client.get(
            path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    def signed_in(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer good-{name}"}

    def forget(self) -> None:
        """Make all upstreams as they were at first."""
        for upstream in self.upstreams.values():
            upstream.answers.clear()
            upstream.seen.clear()
        self.auth.answers["/internal/exchange"] = exchange
        self.client.cookies.clear()


@contextmanager
def running_gateway(folder: Path) -> Iterator[Gateway]:
    """Run nginx with the gateway's templates in ``folder``, before one upstream per service."""
    listen, operators, *numbers = free_ports(2 + len(SERVICES))
    upstreams = {name: Upstream(name, port) for name, port in zip(SERVICES, numbers, strict=True)}
    values = {
        "THREADLY_GATEWAY_LISTEN": f"127.0.0.1:{listen}",
        "THREADLY_OPERATORS_LISTEN": f"127.0.0.1:{operators}",
        "THREADLY_GATEWAY_ORIGINS": r"^http://(localhost|127\.0\.0\.1):(3000|3001)$",
        "THREADLY_GATEWAY_RATE_ADDRESS": "1000r/s",
        "THREADLY_GATEWAY_BURST_ADDRESS": "1000",
        "THREADLY_GATEWAY_RATE_CREDENTIAL": "2r/s",
        "THREADLY_GATEWAY_BURST_CREDENTIAL": "30",
        "THREADLY_CLERK_SIGN_IN_URL": SIGN_IN,
        "THREADLY_GATEWAY_MEDIA": str(folder / "media"),
        **{f"{package_of(name).upper()}_ADDRESS": f"127.0.0.1:{u.port}" for name, u in upstreams.items()},
    }
    url = f"http://127.0.0.1:{listen}"
    # nginx's workers are another user's when root runs the tests, and may not enter a clone under /root.
    source = folder / "source"
    for part in ("templates", "static"):
        shutil.copytree(root_folder() / "deploy" / "gateway" / part, source / part)
    nginx = Nginx(folder, source / "templates", values, f"{url}/health")
    with ExitStack() as stack:
        stack.enter_context(_running(nginx, folder))
        for upstream in upstreams.values():
            upstream.start()
            stack.callback(upstream.stop)
        client = stack.enter_context(httpx.Client(base_url=url, trust_env=False))
        yield Gateway(url, f"http://127.0.0.1:{operators}", upstreams, client)


@contextmanager
def _running(nginx: Nginx, folder: Path) -> Iterator[None]:
    program = nginx.program
    program.prepare()
    with (folder / "error.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - this package's own command
            program.command, cwd=folder, stdout=subprocess.DEVNULL, stderr=log, env=dict(os.environ)
        )
    try:
        wait_until(program.check, f"nginx serves (see {folder}/error.log)")
        yield
    finally:
        process.send_signal(program.stop_signal)
        process.wait(timeout=30)

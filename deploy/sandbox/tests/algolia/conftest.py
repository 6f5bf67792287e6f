import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from algoliasearch.http.hosts import Host, HostsCollection
from algoliasearch.search.client import SearchClientSync
from algoliasearch.search.config import SearchConfig
from starlette.applications import Starlette

from threadly_sandbox.algolia.app import create_app
from threadly_sandbox.journal import Journal
from threadly_sandbox.settings import SandboxSettings


@contextmanager
def serve(app: Starlette) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            thread.join(0.01)
        assert server.started, "the server did not start"
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server did not stop"


def connect(port: int, key: str = "sandbox-admin", app_id: str = "SANDBOX") -> SearchClientSync:
    config = SearchConfig(app_id, key)
    config.hosts = HostsCollection([Host(url="127.0.0.1", scheme="http", port=port) for _ in range(3)])
    client: SearchClientSync = SearchClientSync.create_with_config(config)
    return client


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serve(create_app(SandboxSettings(), Journal())) as number:
        yield number


@pytest.fixture(scope="module")
def client(port: int) -> SearchClientSync:
    return connect(port)


@pytest.fixture
def connect_with(port: int) -> Callable[..., SearchClientSync]:
    return lambda **credentials: connect(port, **credentials)


@pytest.fixture
def run_server(tmp_path: Path) -> Callable[[], Any]:
    """A server that keeps its records in a folder, to be started again and again."""

    @contextmanager
    def run() -> Iterator[SearchClientSync]:
        with serve(create_app(SandboxSettings(data_dir=tmp_path), Journal())) as number:
            yield connect(number)

    return run


class Products:
    """An index of a test's own, through the official client; every write waits for its task."""

    def __init__(self, client: SearchClientSync, name: str) -> None:
        self.client = client
        self.name = name

    def wait(self, task_id: int) -> None:
        self.client.wait_for_task(self.name, task_id)

    def settings(self, **settings: Any) -> None:
        self.wait(self.client.set_settings(self.name, settings).task_id)

    def save(self, *records: dict[str, Any]) -> None:
        self.client.save_objects(self.name, list(records), wait_for_tasks=True)

    def batch(self, *requests: tuple[str, dict[str, Any]]) -> None:
        body = {"requests": [{"action": action, "body": body} for action, body in requests]}
        self.wait(self.client.batch(self.name, body).task_id)

    def search(self, query: str = "", **params: Any) -> dict[str, Any]:
        answer = self.client.search_single_index(self.name, {"query": query, **params})
        found: dict[str, Any] = answer.to_dict()
        return found

    def ids(self, query: str = "", **params: Any) -> list[str]:
        return [hit["objectID"] for hit in self.search(query, **params)["hits"]]

    def get(self, object_id: str) -> dict[str, Any]:
        record: Any = self.client.get_object(self.name, object_id)
        return dict(record)


@pytest.fixture
def products(client: SearchClientSync, request: pytest.FixtureRequest) -> Products:
    return Products(client, f"products_{request.node.name}")

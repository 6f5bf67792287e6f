import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from threadly_embedded.testing import Gateway, running_gateway


@pytest.fixture(scope="session")
def started_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    # nginx's user must pass through when root runs the tests; xdist puts one more folder in between.
    root = Path(tempfile.gettempdir())
    for place in (folder, *(parent for parent in folder.parents if root in parent.parents)):
        place.chmod(0o755)
    with running_gateway(folder) as gateway:
        yield gateway


@pytest.fixture
def gateway(started_gateway: Gateway) -> Gateway:
    """Return the gateway with upstreams that have forgotten everything."""
    started_gateway.forget()
    return started_gateway

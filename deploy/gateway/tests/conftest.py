from collections.abc import Iterator

import pytest

from threadly_embedded.testing import Gateway, running_gateway


@pytest.fixture(scope="session")
def started_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    for place in (folder, *list(folder.parents)[:2]):
        place.chmod(0o755)  # nginx's user passes through when root runs the tests
    with running_gateway(folder) as gateway:
        yield gateway


@pytest.fixture
def gateway(started_gateway: Gateway) -> Gateway:
    """Return the gateway with upstreams that have forgotten everything."""
    started_gateway.forget()
    return started_gateway

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from threadly_embedded.testing import Gateway, running_gateway


@pytest.fixture(scope="session")
def started_gateway() -> Iterator[Gateway]:
    # Not pytest's own folder: nginx's user must pass through when root runs the tests, and each other run of
    # pytest on the machine closes that folder's parent again (then a page was 403).
    with tempfile.TemporaryDirectory(prefix="threadly-gateway-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with running_gateway(folder) as gateway:
            yield gateway


@pytest.fixture
def gateway(started_gateway: Gateway) -> Gateway:
    """Return the gateway with upstreams that have forgotten everything."""
    started_gateway.forget()
    return started_gateway

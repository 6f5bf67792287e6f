"""Where a server of the test's own can listen."""

import socket


def free_port() -> int:
    """A port that was free a moment ago; for servers whose address others must know beforehand."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

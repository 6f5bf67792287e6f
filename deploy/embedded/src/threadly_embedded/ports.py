"""Which TCP ports are free."""

import secrets
import socket
from contextlib import ExitStack, suppress

from .errors import NotReadyError

LOOPBACK = "127.0.0.1"
_BELOW_EPHEMERAL = range(10_000, 32_768)


def free_ports(count: int) -> list[int]:
    """Return ``count`` different free loopback ports below 32768.

    Not the kernel's choice: it chooses from where it also takes the ports of outgoing connections, so
    such a port was sometimes taken again before the server bound it (a broker that never came up, once
    in some dozen runs on a busy machine).
    """
    with ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < count:
            port = secrets.choice(_BELOW_EPHEMERAL)
            probe = stack.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind((LOOPBACK, port))
                ports.append(port)
        return ports


def is_taken(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether something listens on ``port``; a socket still in TIME_WAIT does not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
        return False


def check_listening(port: int, host: str = LOOPBACK) -> None:
    """Raise :class:`NotReadyError` unless something accepts connections on ``port``."""
    try:
        with socket.create_connection((host, port), timeout=2):
            return
    except OSError as error:
        raise NotReadyError(f"port {port} does not answer ({error.strerror or error})") from error

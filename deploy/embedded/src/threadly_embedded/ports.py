"""Which TCP ports are free."""

import socket
from contextlib import ExitStack

from .errors import NotReadyError

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Return ``count`` different free loopback ports, chosen by the kernel."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [one.getsockname()[1] for one in sockets]


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

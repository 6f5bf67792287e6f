"""Where the running system is, and with which keys its sandbox opens."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True)
class World:
    """Addresses and sandbox keys, from the same variables that the services are started with.

    `patience` is how long, in seconds, a step of the story waits for what other services do.
    """

    public_url: str
    clerk_url: str
    clerk_key: str
    stripe_url: str
    stripe_publishable_key: str
    pusher_host: str
    pusher_port: int
    pusher_key: str
    sandbox_url: str
    media_folder: Path
    operator_command: tuple[str, ...]
    """Put before an operator's command; `{service}` in it is replaced. Empty: run it right here."""
    patience: float = 20.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ, **changes: float) -> "World":
        """Read the variables; what is missing has the default of `docs/seams.md`."""

        def read(name: str, default: str) -> str:
            return environment.get(f"THREADLY_{name}", default)

        public_url = read("PUBLIC_URL", "http://127.0.0.1:3002")
        host = urlsplit(public_url).hostname
        return cls(
            public_url=public_url,
            clerk_url=read("CLERK_API_URL", f"http://{host}:7301"),
            clerk_key=read("CLERK_SECRET_KEY", "sk_test_sandbox"),
            stripe_url=read("STRIPE_API_URL", f"http://{host}:7302"),
            stripe_publishable_key=read("STRIPE_PUBLISHABLE_KEY", "pk_test_sandbox"),
            pusher_host=read("PUSHER_HOST", host or "127.0.0.1"),
            pusher_port=int(read("PUSHER_PORT", "7304")),
            pusher_key=read("PUSHER_KEY", "sandbox-key"),
            sandbox_url=read("SANDBOX_URL", f"http://{host}:{read('SANDBOX_PAGE_PORT', '7300')}"),
            media_folder=Path(read("MEDIA_FOLDER", ".run/media")),
            operator_command=tuple(read("OPERATOR_COMMAND", "").split()),
            **changes,
        )

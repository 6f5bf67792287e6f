"""The SMTP side: takes every mail, except where the recipient asks for trouble.

`…@reject.example` is refused for good (550), `…@busy.example` for now (451), so that both answers of a
real server can be met.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from .inbox import Inbox

_MAX_SIZE = 10_000_000  # bytes
_TROUBLE = {
    "reject.example": "550 5.1.1 No such mailbox here",
    "busy.example": "451 4.3.2 Mailbox busy, try again later",
}


class _Handler:
    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_RCPT(  # noqa: N802 - aiosmtpd finds hooks by the command's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        trouble = _TROUBLE.get(address.rpartition("@")[2].lower())
        if trouble is not None:
            return trouble
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - same
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        raw = content.encode() if isinstance(content, str) else content or b""
        mail = self._inbox.receive(raw, sender=envelope.mail_from or "", recipients=list(envelope.rcpt_tos))
        return f"250 2.0.0 OK, kept as {mail['id']}"


def _anyone(*_arguments: Any) -> AuthResult:
    return AuthResult(success=True)


@asynccontextmanager
async def mail_server(inbox: Inbox, host: str, port: int) -> AsyncIterator[int]:
    """Listen while the block runs; yields the port. Any name and password are good."""
    loop = asyncio.get_running_loop()
    handler = _Handler(inbox)

    def connection() -> SMTP:
        return SMTP(
            handler,
            hostname="mail.sandbox",  # aiosmtpd would ask the resolver, and block the loop
            ident="Threadly sandbox",
            data_size_limit=_MAX_SIZE,
            enable_SMTPUTF8=True,
            auth_require_tls=False,
            authenticator=_anyone,
            loop=loop,
        )

    server = await loop.create_server(connection, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()

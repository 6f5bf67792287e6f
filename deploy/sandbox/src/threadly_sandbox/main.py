"""All stand-ins in one process and one event loop: `python -m threadly_sandbox.main`."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette

from .algolia.app import create_app as create_algolia
from .clerk.app import create_app as create_clerk
from .documents import Documents
from .faults import FaultInjection, Faults
from .journal import Journal
from .mail.inbox import Inbox
from .mail.server import mail_server
from .page.app import create_page
from .page.control import Controls
from .pusher.app import create_app as create_pusher
from .sentry.app import create_app as create_sentry
from .serving import served
from .settings import SandboxSettings
from .stripe.app import create_app as create_stripe

_log = logging.getLogger("threadly_sandbox")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where each part listens."""

    page: str
    clerk: str
    stripe: str
    algolia: str
    pusher: str
    sentry: str
    smtp_port: int


@asynccontextmanager
async def sandbox(settings: SandboxSettings) -> AsyncIterator[Addresses]:
    """Run every stand-in while the block runs. Raises OSError when a port is taken."""
    journal = Journal(settings.journal_limit)
    inbox = Inbox(Documents(settings.data_dir and settings.data_dir / "mail.sqlite"), journal)
    providers: dict[str, tuple[Starlette, int]] = {
        "clerk": (create_clerk(settings, journal), settings.clerk_port),
        "stripe": (create_stripe(settings, journal), settings.stripe_port),
        "algolia": (create_algolia(settings, journal), settings.algolia_port),
        "pusher": (create_pusher(settings, journal), settings.pusher_port),
        "sentry": (create_sentry(settings, journal), settings.sentry_port),
    }
    controls = _controls({name: app for name, (app, _) in providers.items()})
    async with AsyncExitStack() as stack:
        stack.callback(inbox.close)
        addresses = {
            name: await stack.enter_async_context(served(app, settings.host, port))
            for name, (app, port) in providers.items()
        }
        page = create_page(journal, inbox, controls)
        yield Addresses(
            **addresses,
            smtp_port=await stack.enter_async_context(mail_server(inbox, settings.host, settings.smtp_port)),
            page=await stack.enter_async_context(_live(page, journal, settings)),
        )


@asynccontextmanager
async def _live(page: Starlette, journal: Journal, settings: SandboxSettings) -> AsyncIterator[str]:
    """Serve the page; at the end its live streams end first, or they would keep the server waiting."""
    async with served(page, settings.host, settings.page_port) as address:
        try:
            yield address
        finally:
            journal.close()


def _controls(apps: dict[str, Starlette]) -> Controls:
    faults = {name: Faults() for name in apps}
    for name, app in apps.items():
        app.add_middleware(FaultInjection, faults=faults[name])
    couriers = {name: app.state.courier for name, app in apps.items() if name in {"clerk", "stripe"}}
    return Controls(couriers, faults, apps["clerk"].state.keys)


async def _run(settings: SandboxSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with sandbox(settings) as addresses:
        _log.info("the sandbox is up; its page is %s", addresses.page)
        await stop.wait()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "mail.log", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    asyncio.run(_run(SandboxSettings()))


if __name__ == "__main__":
    main()

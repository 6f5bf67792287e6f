"""`make demo`: tells the story of one sale and of one mishap, on the running system."""

import asyncio
import sys

import httpx

from .api import Refused
from .cast import Cast
from .listener import NodeMissing, StillWaiting
from .mishap import CommandFailed, tell_mishap
from .narrator import Narrator
from .sale import tell_sale
from .waiting import NotYet
from .world import World


async def tell_all(world: World, tell: Narrator) -> None:
    """Tell both stories."""
    async with Cast(world) as cast:
        tell.tell("One sale")
        sale = await tell_sale(cast, tell)
        tell.tell("One mishap")
        await tell_mishap(cast, tell, sale)
    tell.end()
    tell.tell(f"See the mails, real-time events and payments at {world.sandbox_url}")


def main() -> int:
    """Tell the stories; returns the exit code."""
    try:
        asyncio.run(tell_all(World.from_environment(), Narrator()))
    except (NotYet, Refused, StillWaiting, NodeMissing, CommandFailed) as fault:
        sys.stderr.write(f"demo: {fault}\n")
        return 1
    except httpx.TransportError as fault:
        sys.stderr.write(f"demo: the system does not answer ({type(fault).__name__}); make run starts it\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

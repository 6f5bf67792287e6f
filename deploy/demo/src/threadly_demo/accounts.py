"""Who can sign in to the demo: `python -m threadly_demo.accounts`."""

import sys

from .people import OPERATOR, PEOPLE
from .world import World


def describe(world: World) -> str:
    """The accounts, and where to sign in with one."""
    some = ", ".join(f"{person.first_name} ({person.email})" for person in PEOPLE[:3])
    return (
        f"Demo accounts: {some} and {len(PEOPLE) - 3} more, all buying and selling;"
        f" {OPERATOR.first_name} ({OPERATOR.email}) operates. No passwords: choose one at"
        f" {world.clerk_url}/sign-in?redirect_url={world.public_url}/docs"
    )


if __name__ == "__main__":
    sys.stdout.write(describe(World.from_environment()) + "\n")

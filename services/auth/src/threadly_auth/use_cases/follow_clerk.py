"""Apply the news that we handed to ourselves."""

from threadly_chassis.messaging import Context

from ..dependencies import AuthDeps
from ..domain.messages import ClerkUserChanged, ClerkUserDeleted
from .apply_profile import apply_profile
from .delete_user import delete_user


async def apply_change(event: ClerkUserChanged, context: Context[AuthDeps]) -> None:
    """Create or update the user, by Clerk's own order of changes (E106)."""
    await apply_profile(event.profile, tx=context.tx, now=context.deps.clock.now())


async def apply_deletion(event: ClerkUserDeleted, context: Context[AuthDeps]) -> None:
    """Erase the user."""
    await delete_user(event.clerk_id, tx=context.tx, now=context.deps.clock.now())

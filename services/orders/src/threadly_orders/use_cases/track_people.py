"""Keep the names of buyers and sellers."""

from threadly_chassis.messaging import Context
from threadly_contracts.auth import UserRegistered, UserUpdated

from ..dependencies import OrdersDeps
from ..storage import people


async def track_person(event: UserRegistered | UserUpdated, context: Context[OrdersDeps]) -> None:
    """Keep a person's present name; the consumer's gate passes over what is older than the last one."""
    await people.store(context.tx.session, event.user_id, event.display_name)

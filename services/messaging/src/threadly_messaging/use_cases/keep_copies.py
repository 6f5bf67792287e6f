"""Keep the copies of what catalog and auth own; the consumers' gate passes over what is stale."""

from threadly_chassis.messaging import Context
from threadly_contracts.auth import UserRegistered, UserUpdated
from threadly_contracts.catalog import ProductEvent

from ..dependencies import MessagingDeps
from ..storage import copies


async def keep_product(event: ProductEvent, context: Context[MessagingDeps]) -> None:
    """Take over an item; a removed one stays as such."""
    await copies.keep_product(context.tx.session, event)


async def keep_person(event: UserRegistered | UserUpdated, context: Context[MessagingDeps]) -> None:
    """Take over a person; one who left comes as an update without a name."""
    await copies.keep_person(context.tx.session, event)

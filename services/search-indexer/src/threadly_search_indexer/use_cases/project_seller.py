"""UserRegistered, UserUpdated → the local sellers, and the name in all their products' documents (E076)."""

from threadly_chassis.messaging import Context
from threadly_contracts.auth import UserRegistered, UserUpdated

from ..dependencies import SearchDeps
from ..domain.messages import NamesChanged, Scope
from ..storage.names import put_seller
from ..storage.tables import SearchSellerRow


async def project_seller(event: UserRegistered | UserUpdated, context: Context[SearchDeps]) -> None:
    """Store what people may know of a user; anybody may sell, so every user is kept."""
    row = SearchSellerRow(
        seller_id=event.user_id,
        version=context.version,
        name=event.display_name,
        image_url=event.image_url,
    )
    if await put_seller(context.tx.session, row, overrules=context.overrules):
        changed = NamesChanged(scope=Scope.SELLER, scope_id=event.user_id)
        await context.tx.publish(changed, version=context.version)

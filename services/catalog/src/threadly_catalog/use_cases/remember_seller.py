"""What is shown of a seller changed."""

from threadly_chassis.messaging import Context
from threadly_contracts.auth import UserRegistered, UserUpdated

from ..dependencies import CatalogDeps
from ..storage.sellers import Seller, put_seller


async def remember_seller(event: UserRegistered | UserUpdated, context: Context[CatalogDeps]) -> None:
    """Keep the name and picture, and nothing else: the address for mail is none of catalog's business."""
    await put_seller(context.tx.session, Seller(event.user_id, event.display_name, event.image_url))

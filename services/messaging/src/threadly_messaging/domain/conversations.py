"""Who may begin and join a conversation."""

from typing import Protocol
from uuid import UUID

from threadly_chassis.errors import Conflict, NotFound
from threadly_contracts.catalog import ProductStatus


class ProductNotFound(NotFound):
    """No such item, or one that messaging has not heard of yet."""

    code = "product_not_found"
    title = "There is no such item"


class ConversationNotFound(NotFound):
    """No such conversation, or one of other people: the two are not told apart."""

    code = "conversation_not_found"
    title = "There is no such conversation"


class MessageNotFound(NotFound):
    """No such message in this conversation."""

    code = "message_not_found"
    title = "There is no such message"


class OwnItem(Conflict):
    """Sellers do not talk to themselves."""

    code = "own_item"
    title = "This is your own item"


class ItemNotAvailable(Conflict):
    """A conversation begins about an item that can be bought."""

    code = "item_not_available"
    title = "This item is not available any more"


class Talkable(Protocol):
    """What the rules ask of an item."""

    seller_id: UUID
    status: str


class Participants(Protocol):
    """The two sides of a conversation."""

    buyer_id: UUID
    seller_id: UUID


def refuse_own_item(product: Talkable, buyer_id: UUID) -> None:
    """Raise `OwnItem` when the buyer is the seller."""
    if product.seller_id == buyer_id:
        raise OwnItem


def refuse_unavailable(product: Talkable) -> None:
    """Raise `ItemNotAvailable` for an item that nobody can buy now."""
    if product.status != ProductStatus.AVAILABLE:
        raise ItemNotAvailable(product_status=product.status)


def other_side(conversation: Participants, user_id: UUID) -> UUID:
    """The one whom `user_id` talks to."""
    return conversation.seller_id if user_id == conversation.buyer_id else conversation.buyer_id

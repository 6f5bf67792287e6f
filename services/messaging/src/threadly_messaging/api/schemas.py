"""What messaging's API takes and gives."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import Field

from threadly_chassis.http import MoneyView, RequestModel, ResponseModel

from ..domain.display import formatted_time
from ..storage.inbox import InboxEntry
from ..storage.messages import Message

#: Far over what a message may have, so that the rule and not the parser says what is wrong.
_Text = Annotated[str, Field(max_length=20_000)]
_Url = Annotated[str, Field(max_length=20_000)]


class StartConversation(RequestModel):
    """An item to talk about, and the first words if there are any yet."""

    product_id: UUID
    content: _Text | None = None


class SendMessage(RequestModel):
    """A message: 1 to 1000 characters after trimming (R-MSG-02)."""

    content: _Text
    image_url: _Url | None = None


class ReadUpTo(RequestModel):
    """The last message that was seen; the newest one when it is left out."""

    last_read_message_id: UUID | None = None


class Typing(RequestModel):
    """Whether the caller is typing; the socket that need not be told."""

    is_typing: bool
    socket_id: Annotated[str, Field(pattern=r"^\d{1,20}\.\d{1,20}$")] | None = None


class ProductView(ResponseModel):
    """The item that is talked about."""

    id: UUID
    title: str
    image_url: str | None
    status: str
    price: MoneyView


class PersonView(ResponseModel):
    """The other side."""

    id: UUID
    name: str
    image_url: str | None


class LastMessageView(ResponseModel):
    """The end of the conversation, as plain text."""

    id: UUID
    content_text: str
    image_url: str | None
    is_own_message: bool
    created_at: datetime


class ConversationView(ResponseModel):
    """A conversation as its caller sees it."""

    id: UUID
    role: Literal["buyer", "seller"]
    product: ProductView
    other: PersonView
    last_message: LastMessageView | None
    last_message_at: datetime
    unread_count: int
    created_at: datetime

    @classmethod
    def of(cls, entry: InboxEntry, viewer_id: UUID) -> Self:
        """Show an entry to one of the two."""
        product, last = entry.product, entry.last_message
        return cls(
            id=entry.id,
            role="buyer" if viewer_id == entry.buyer_id else "seller",
            product=ProductView(
                **product.model_dump(exclude={"price_minor", "currency"}),
                price=MoneyView.of(product.price_minor, product.currency),
            ),
            other=PersonView.model_validate(entry.other),
            last_message=LastMessageView(
                **last.model_dump(exclude={"sender_id"}), is_own_message=last.sender_id == viewer_id
            )
            if last
            else None,
            last_message_at=entry.last_message_at,
            unread_count=entry.unread_count,
            created_at=entry.created_at,
        )


class MessageView(ResponseModel):
    """A message as its viewer sees it (R-MSG-11)."""

    id: UUID
    conversation_id: UUID
    sequence: int
    sender_id: UUID
    content: str
    """Sanitised HTML."""
    content_text: str
    image_url: str | None
    read: bool
    created_at: datetime
    updated_at: datetime
    is_own_message: bool
    sender_name: str
    sender_avatar: str | None
    formatted_time: str

    @classmethod
    def of(cls, message: Message, *, viewer_id: UUID, now: datetime, zone: ZoneInfo) -> Self:
        """Show a message to one of the two, in their time zone."""
        return cls(
            **message.model_dump(),
            is_own_message=message.sender_id == viewer_id,
            formatted_time=formatted_time(message.created_at, now=now, zone=zone),
        )


class ReadingView(ResponseModel):
    """What is left to read."""

    unread_count: int


class ChannelSignature(ResponseModel):
    """What pusher-js hands to Pusher."""

    auth: str
    channel_data: str | None = None


class SocketSignature(ResponseModel):
    """What pusher-js hands to Pusher to sign its socket in."""

    auth: str
    user_data: str

"""Decide whether a caller may listen to a channel, at this moment (R-RT-02, R-RT-03)."""

from typing import Any

from threadly_chassis.http import Principal

from ..dependencies import MessagingDeps
from ..domain.channels import Channel, ChannelKind, ChannelRefused, parse_channel, parse_socket_id
from ..domain.conversations import ConversationNotFound
from ..storage import conversations


async def authorize_channel(
    socket_id: str, channel_name: str, *, listener: Principal, deps: MessagingDeps
) -> dict[str, str]:
    """Return the signature that Pusher asks for; raises `ChannelRefused` (E091)."""
    parse_socket_id(socket_id)
    channel = parse_channel(channel_name)
    if channel.kind is ChannelKind.USER:
        if channel.about != listener.user_id:
            raise ChannelRefused
    else:
        await _refuse_strangers(channel, listener, deps)
    member = _member(listener) if channel.kind is ChannelKind.PRESENCE else None
    return deps.realtime.authorize(channel.name, socket_id, member)


async def authenticate_socket(socket_id: str, *, owner: Principal, deps: MessagingDeps) -> dict[str, str]:
    """Return the signature that ties a socket to its user, so that losing a right can end it (E092)."""
    parse_socket_id(socket_id)
    user: dict[str, Any] = {"id": str(owner.user_id), "user_info": _info(owner)}
    return deps.realtime.authenticate_user(socket_id, user)


async def _refuse_strangers(channel: Channel, listener: Principal, deps: MessagingDeps) -> None:
    async with deps.db.read() as session:
        try:
            await conversations.find_for(session, channel.about, listener.user_id)
        except ConversationNotFound as error:
            raise ChannelRefused from error


def _member(listener: Principal) -> dict[str, Any]:
    return {"user_id": str(listener.user_id), "user_info": _info(listener)}


def _info(principal: Principal) -> dict[str, str | None]:
    # Pusher allows 1 kB of it.
    return {"name": principal.name[:100], "avatar": (principal.picture or "")[:500] or None}

"""Pusher's questions: may this socket listen, and whose is it? Only status 200 means yes."""

import json
from urllib.parse import parse_qsl

from fastapi import Request

from threadly_chassis.http import CurrentPrincipal, router

from ..dependencies import Deps
from ..domain.channels import ChannelRefused
from ..use_cases.authorize_channel import authenticate_socket, authorize_channel
from .schemas import ChannelSignature, SocketSignature

realtime = router("/v1/realtime", tags=["realtime"])

_MAX_BODY = 4 * 1024


def _body_of(*required: str) -> dict[str, object]:
    """Describe the body for the reference: pusher-js sends forms, other clients JSON."""
    schema = {
        "type": "object",
        "required": list(required),
        "properties": {name: {"type": "string"} for name in required},
    }
    content = {kind: {"schema": schema} for kind in ("application/x-www-form-urlencoded", "application/json")}
    return {"requestBody": {"required": True, "content": content}}


@realtime.post(
    "/auth",
    response_model_exclude_none=True,
    openapi_extra=_body_of("socket_id", "channel_name"),
)
async def authorize(request: Request, principal: CurrentPrincipal, deps: Deps) -> ChannelSignature:
    """Sign a subscription to a channel of the caller's own; 403 for every other channel."""
    fields = await _fields(request)
    signature = await authorize_channel(
        fields.get("socket_id", ""), fields.get("channel_name", ""), listener=principal, deps=deps
    )
    return ChannelSignature.model_validate(signature)


@realtime.post("/user-auth", openapi_extra=_body_of("socket_id"))
async def sign_socket_in(request: Request, principal: CurrentPrincipal, deps: Deps) -> SocketSignature:
    """Sign that a socket is the caller's."""
    fields = await _fields(request)
    signature = await authenticate_socket(fields.get("socket_id", ""), owner=principal, deps=deps)
    return SocketSignature.model_validate(signature)


async def _fields(request: Request) -> dict[str, str]:
    """Read the body, whatever it is called; raises `ChannelRefused` when it is neither form nor JSON."""
    body = await request.body()
    if len(body) > _MAX_BODY:
        raise ChannelRefused
    try:
        if body.lstrip().startswith(b"{"):
            fields = json.loads(body)
        else:
            fields = dict(parse_qsl(body.decode(), max_num_fields=8))
    except (ValueError, RecursionError) as error:
        raise ChannelRefused from error
    return {name: value for name, value in fields.items() if isinstance(value, str)}

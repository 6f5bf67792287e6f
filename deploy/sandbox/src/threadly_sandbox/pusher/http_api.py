"""The HTTP interface for servers: trigger events, ask about channels, end a user's connections."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import unquote

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ..journal import Journal
from .hub import Channel, Hub
from .limits import MAX_BATCH, MAX_CHANNELS, MAX_DATA_BYTES, MAX_EVENT_NAME, is_presence, valid_channel
from .protocol import UNAUTHORIZED
from .signing import Signer


class ApiError(Exception):
    """A request that is answered with a status and a text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Event(BaseModel):
    """One event as it is triggered; ``data`` is a string, whatever is inside."""

    name: str
    data: str
    channel: str | None = None
    channels: list[str] | None = None
    socket_id: str | None = None
    info: str | None = None


class Batch(BaseModel):
    batch: list[Event]


Model = TypeVar("Model", bound=BaseModel)
Handler = Callable[[Request, bytes], Awaitable[dict[str, Any]]]


class HttpApi:
    """The endpoints under ``/apps/{app_id}``."""

    def __init__(self, app_id: str, hub: Hub, signer: Signer, journal: Journal) -> None:
        self._app_id = app_id
        self._hub = hub
        self._signer = signer
        self._journal = journal

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Handler]] = [
            ("POST", "events", self.trigger),
            ("POST", "batch_events", self.trigger_batch),
            ("GET", "channels", self.channels),
            ("GET", "channels/{channel}", self.channel),
            ("GET", "channels/{channel}/users", self.users),
            ("POST", "users/{user_id}/terminate_connections", self.terminate),
        ]
        return [
            Route(f"/apps/{{app_id}}/{path}", self._signed(handler), methods=[method])
            for method, path, handler in table
        ]

    def _signed(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            try:
                body = await request.body()
                self._check(request, body)
                # Never an empty body: the Python library parses every 200 as JSON.
                return JSONResponse(await handler(request, body))
            except ApiError as error:
                return PlainTextResponse(f"{error.message}\n", error.status)

        return handle

    def _check(self, request: Request, body: bytes) -> None:
        if request.path_params["app_id"] != self._app_id:
            raise ApiError(404, "Unknown app")
        path = request.scope["raw_path"].decode("latin-1")
        query = _as_received(request.scope["query_string"].decode("latin-1"))
        if fault := self._signer.request_fault(request.method, path, query, body):
            raise ApiError(401, fault)

    # ── events ──

    async def trigger(self, _: Request, body: bytes) -> dict[str, Any]:
        event = _parsed(Event, body)
        channels = event.channels or ([event.channel] if event.channel else [])
        _check_event(event, channels)
        attributes = {name: self._publish(name, event) for name in channels}
        return {"channels": attributes} if event.info else {}

    async def trigger_batch(self, _: Request, body: bytes) -> dict[str, Any]:
        events = _parsed(Batch, body).batch
        if len(events) > MAX_BATCH:
            raise ApiError(400, f"Batch of more than {MAX_BATCH} events")
        for event in events:
            _check_event(event, [event.channel] if event.channel else [])
        answers = [self._publish(event.channel, event) for event in events if event.channel]
        return {"batch": answers} if any(event.info for event in events) else {}

    def _publish(self, channel: str, event: Event) -> dict[str, Any]:
        # Asked before sending, so that a wrong ``info`` sends nothing.
        attributes = self._attributes(channel, event.info)
        frame = {"event": event.name, "channel": channel, "data": event.data}
        receivers = self._hub.publish(frame, without=event.socket_id)
        detail = {"channel": channel, "event": event.name, "data": _readable(event.data)}
        self._journal.add("realtime", f"{event.name} on {channel}", {**detail, "receivers": receivers})
        return attributes

    # ── channels ──

    def _attributes(self, name: str, info: str | None) -> dict[str, Any]:
        asked = set(info.split(",")) if info else set()
        if "user_count" in asked and not is_presence(name):
            raise ApiError(400, "Cannot retrieve the user count unless the channel is a presence channel")
        channel = self._hub.channels.get(name) or Channel(name)
        values = {"user_count": len(channel.members()), "subscription_count": len(channel.connections)}
        return {attribute: value for attribute, value in values.items() if attribute in asked}

    async def channels(self, request: Request, _: bytes) -> dict[str, Any]:
        prefix, info = request.query_params.get("filter_by_prefix", ""), request.query_params.get("info")
        if info and "user_count" in info.split(",") and not is_presence(prefix):
            raise ApiError(400, "user_count may only be requested with filter_by_prefix=presence-")
        names = sorted(name for name in self._hub.channels if name.startswith(prefix))
        return {"channels": {name: self._attributes(name, info) for name in names}}

    async def channel(self, request: Request, _: bytes) -> dict[str, Any]:
        name = _channel_name(request)
        attributes = self._attributes(name, request.query_params.get("info"))
        return {"occupied": name in self._hub.channels, **attributes}

    async def users(self, request: Request, _: bytes) -> dict[str, Any]:
        name = _channel_name(request)
        if not is_presence(name):
            raise ApiError(400, "Users can only be retrieved for presence channels")
        channel = self._hub.channels.get(name) or Channel(name)
        return {"users": [{"id": user_id} for user_id in channel.members()]}

    async def terminate(self, request: Request, _: bytes) -> dict[str, Any]:
        user_id = unquote(request.path_params["user_id"])
        closed = self._hub.terminate_user(user_id, UNAUTHORIZED, "You got disconnected by the app.")
        self._journal.add("realtime", f"connections of {user_id} ended", {"user": user_id, "closed": closed})
        return {}


def _as_received(query: str) -> list[tuple[str, str]]:
    """Split a query string: values are signed as they were before URL-encoding."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def _parsed(model: type[Model], body: bytes) -> Model:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise ApiError(400, f"Invalid body: {error}") from None


def _check_event(event: Event, channels: list[str]) -> None:
    if len(event.data.encode()) > MAX_DATA_BYTES:
        raise ApiError(413, f"The data of this event exceeds the allowed maximum of {MAX_DATA_BYTES} bytes")
    if not event.name or len(event.name) > MAX_EVENT_NAME:
        raise ApiError(400, f"Event name is empty or longer than {MAX_EVENT_NAME} characters")
    if not channels or len(channels) > MAX_CHANNELS:
        raise ApiError(400, f"Between 1 and {MAX_CHANNELS} channels must be given")
    for channel in channels:
        if not valid_channel(channel):
            raise ApiError(400, f"Invalid channel name {channel!r}")


def _channel_name(request: Request) -> str:
    name = str(request.path_params["channel"])
    if not valid_channel(name):
        raise ApiError(400, f"Invalid channel name {name!r}")
    return name


def _readable(data: str) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data

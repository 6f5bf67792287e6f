"""Pusher Channels; the only file of notifier that imports the SDK."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pusher
from pusher.errors import PusherBadAuth, PusherBadRequest, PusherBadStatus, PusherForbidden
from pusher.http import Request, process_response

from threadly_chassis.context import current_action
from threadly_chassis.observability.tracing import span

from ..settings import NotifierSettings
from .realtime import RealtimeRejected, RealtimeUnavailable

#: Pusher refuses more; its SDK looks at another number, so it is checked here.
MAX_DATA_BYTES = 10 * 1024


class _HttpxBackend:
    """The SDK's transport, over httpx.

    The SDK's own backends check TLS against a list of authorities from September 2021 and open a new
    connection for each call.
    """

    def __init__(self, client: Any, *, http: httpx.AsyncClient) -> None:  # noqa: ARG002 - the SDK's interface
        self._http = http

    async def send_request(self, request: Request) -> Any:
        response = await self._http.request(
            request.method, request.url, content=request.body, headers=request.headers
        )
        return process_response(response.status_code, response.text)


class PusherRealtime:
    """Triggers events through the official SDK, with a deadline."""

    def __init__(self, settings: NotifierSettings) -> None:
        self._http = httpx.AsyncClient(timeout=settings.provider_timeout, trust_env=False)
        self._client = pusher.Pusher(
            app_id=settings.pusher_app_id,
            key=settings.pusher_key,
            secret=settings.pusher_secret.get_secret_value(),
            ssl=settings.pusher_tls,
            host=settings.pusher_host,
            port=settings.pusher_port,
            backend=_HttpxBackend,
            http=self._http,
        )

    async def trigger(self, channels: Sequence[str], name: str, data: Mapping[str, Any]) -> None:
        """Send an event to up to 100 channels; raises `RealtimeUnavailable` or `RealtimeRejected`."""
        body = json.dumps({"type": name, "data": data}, ensure_ascii=False)
        if len(body.encode()) > MAX_DATA_BYTES:
            raise RealtimeRejected(f"{name}: {len(body.encode())} bytes, {MAX_DATA_BYTES} are allowed")
        current_action().external_calls += 1
        with span("pusher trigger", attributes={"event": name}):
            try:
                await self._client.trigger(list(channels), name, body)
            except (PusherBadRequest, PusherForbidden) as refusal:
                raise RealtimeRejected(str(refusal)) from refusal
            except (PusherBadAuth, PusherBadStatus, httpx.HTTPError) as failure:
                # A wrong key is mended by an operator, not by throwing the event away.
                raise RealtimeUnavailable(type(failure).__name__) from failure

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

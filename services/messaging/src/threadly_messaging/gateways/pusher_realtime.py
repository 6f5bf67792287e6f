"""Pusher Channels through its official SDK; the only file that imports it."""

import json
import time
from collections.abc import Coroutine
from typing import Any

import httpx
from pusher import Pusher
from pusher.errors import PusherBadStatus, PusherError
from pusher.http import Request, process_response

from threadly_chassis.context import current_action
from threadly_chassis.observability.metrics import PROVIDER_SECONDS

from .realtime import MAX_DATA_BYTES, RealtimeAway, RealtimeRefused


class HttpxBackend:
    """The SDK's way out: httpx, with our deadline and the system's certificates.

    The SDK's own backend verifies against a bundle of certificates from September 2021 and overrides the
    caller's choice. A backend may answer with a coroutine; the SDK hands it through.
    """

    def __init__(self, _client: Any, *, http: httpx.AsyncClient) -> None:
        self._http = http

    def send_request(self, request: Request) -> Coroutine[Any, Any, Any]:
        """Send a signed request."""
        return self._send(request)

    async def _send(self, request: Request) -> Any:
        response = await self._http.request(
            request.method, request.url, headers=request.headers, content=request.body
        )
        return process_response(response.status_code, response.text)


class PusherRealtime:
    """`Realtime` over Pusher."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        tls: bool,
        app_id: str,
        key: str,
        secret: str,
        http: httpx.AsyncClient,
    ) -> None:
        self._pusher = Pusher(
            app_id, key, secret, ssl=tls, host=host, port=port, backend=HttpxBackend, http=http
        )

    def authorize(self, channel: str, socket_id: str, member: dict[str, Any] | None = None) -> dict[str, str]:
        """Sign a subscription."""
        answer: dict[str, str] = self._pusher.authenticate(channel, socket_id, member)
        return answer

    def authenticate_user(self, socket_id: str, user: dict[str, Any]) -> dict[str, str]:
        """Sign a socket's user."""
        answer: dict[str, str] = self._pusher.authenticate_user(socket_id, user)
        return answer

    async def trigger(
        self, channel: str, event: str, data: dict[str, Any], *, except_socket: str | None = None
    ) -> None:
        """Send; raises `RealtimeAway` when a later try may succeed, `RealtimeRefused` when none will."""
        encoded = json.dumps(data, ensure_ascii=False)
        if len(encoded.encode()) > MAX_DATA_BYTES:
            raise RealtimeRefused(f"{event} has over {MAX_DATA_BYTES} bytes.")
        current_action().external_calls += 1
        started, outcome = time.perf_counter(), "failed"
        try:
            await self._pusher.trigger(channel, event, encoded, except_socket)
            outcome = "ok"
        except (httpx.HTTPError, PusherBadStatus, ValueError) as error:
            # ValueError: a 200 whose body is no JSON.
            raise RealtimeAway("Pusher cannot be reached.", retry_after=5) from error
        except PusherError as error:
            raise RealtimeRefused(f"Pusher refuses {event}: {error}") from error
        finally:
            PROVIDER_SECONDS.labels("pusher", "trigger", outcome).observe(time.perf_counter() - started)

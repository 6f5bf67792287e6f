"""Webhooks: what happens on channels, signed and delivered to one address, retried for five minutes."""

import asyncio
import json
import logging
import time
from typing import Any

import httpx
from pydantic_settings import BaseSettings, SettingsConfigDict

from .signing import Signer

logger = logging.getLogger(__name__)

_LINGER_SECONDS = 0.5  # a reconnect within it takes back a departure; the real service waits up to 3 s
_TIMEOUT_SECONDS = 5
_RETRY_SECONDS = (1, 2, 4, 8, 16, 32, 64, 128)  # about five minutes together, then the event is lost
_OPPOSITE = {"channel_vacated": "channel_occupied", "member_removed": "member_added"}


class WebhookSettings(BaseSettings):
    """``THREADLY_SANDBOX_PUSHER_WEBHOOK_URL``; empty, the default, sends none."""

    model_config = SettingsConfigDict(env_prefix="THREADLY_SANDBOX_PUSHER_", frozen=True, extra="ignore")

    webhook_url: str = ""


class Webhooks:
    """Collects happenings and delivers them one request each, in their order."""

    def __init__(self, url: str, signer: Signer) -> None:
        self._url = url
        self._signer = signer
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._leaving: dict[tuple[str, str, str | None], asyncio.TimerHandle] = {}

    def happened(self, event: dict[str, Any]) -> None:
        """Take note; departures wait a moment, since most are followed by a reconnect."""
        if not self._url:
            return
        subject = (event["channel"], event.get("user_id"))
        if event["name"] in _OPPOSITE:
            key = (_OPPOSITE[event["name"]], *subject)
            loop = asyncio.get_running_loop()
            self._leaving[key] = loop.call_later(_LINGER_SECONDS, self._left, key, event)
        elif (departure := self._leaving.pop((event["name"], *subject), None)) is not None:
            departure.cancel()
        else:
            self._queue.put_nowait(event)

    def _left(self, key: tuple[str, str, str | None], event: dict[str, Any]) -> None:
        del self._leaving[key]
        self._queue.put_nowait(event)

    async def deliver(self) -> None:
        """Send what happened until cancelled."""
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            while True:
                event = await self._queue.get()
                body = json.dumps({"time_ms": int(time.time() * 1000), "events": [event]}).encode()
                await self._send(client, body)

    async def _send(self, client: httpx.AsyncClient, body: bytes) -> None:
        headers = {
            "Content-Type": "application/json",
            "X-Pusher-Key": self._signer.key,
            "X-Pusher-Signature": self._signer.sign(body),
        }
        for pause in (*_RETRY_SECONDS, None):
            try:
                answer = await client.post(self._url, content=body, headers=headers)
                if answer.is_success:
                    return
                problem = str(answer.status_code)
            except httpx.HTTPError as error:
                problem = repr(error)
            logger.warning("pusher webhook to %s failed: %s", self._url, problem)
            if pause is not None:
                await asyncio.sleep(pause)

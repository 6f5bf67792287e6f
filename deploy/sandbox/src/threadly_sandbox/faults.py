"""Trouble on request: answers refused, lost or late, in front of any of the HTTP stand-ins."""

import asyncio
import json

from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class FaultPlan(BaseModel):
    """What the next requests meet; a new plan replaces the old one, `{}` ends all trouble."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    times: int = Field(0, ge=0)
    """How many requests are hit."""
    status: int = Field(503, ge=400, le=599)
    """What they are answered."""
    executed: bool = False
    """Whether the request is carried out before its answer is replaced: the lost-answer case."""
    delay_ms: int = Field(0, ge=0, le=600_000)
    """How long they wait first."""
    path: str = "/"
    """Only requests whose path starts so."""


class Faults:
    """The plan, shared by the control page and the middleware."""

    def __init__(self) -> None:
        self.plan = FaultPlan()

    def take(self, path: str) -> FaultPlan | None:
        """The plan when this request is to be hit; each hit uses one of its times."""
        plan = self.plan
        if plan.times == 0 or not path.startswith(plan.path):
            return None
        self.plan = plan.model_copy(update={"times": plan.times - 1})
        return plan


class FaultInjection:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        plan = self._faults.take(scope["path"]) if scope["type"] == "http" else None
        if plan is None:
            await self._app(scope, receive, send)
            return
        await asyncio.sleep(plan.delay_ms / 1000)
        if plan.executed:
            await self._app(scope, receive, _unheard)
        await _refuse(send, plan.status)


async def _unheard(_message: Message) -> None:
    """Where a lost answer goes."""


async def _refuse(send: Send, status: int) -> None:
    body = json.dumps(
        {"error": {"type": "api_error", "message": "The sandbox was told to fail here."}}
    ).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

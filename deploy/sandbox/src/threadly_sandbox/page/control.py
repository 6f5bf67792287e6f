"""The switches for tests: webhooks that go astray, providers that fail."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..clerk.keys import SigningKeys
from ..faults import FaultPlan, Faults
from ..webhooks import Courier, Plan


@dataclass(frozen=True, slots=True)
class Controls:
    """What may be switched, by provider."""

    couriers: dict[str, Courier] = field(default_factory=dict)
    faults: dict[str, Faults] = field(default_factory=dict)
    keys: SigningKeys | None = None


def control_routes(controls: Controls) -> list[Route]:
    switches = _Switches(controls)
    return [
        Route("/control/{provider}/webhooks", _explained(switches.webhooks), methods=["GET", "POST"]),
        Route("/control/{provider}/faults", _explained(switches.faults), methods=["GET", "POST"]),
        Route("/control/clerk/keys", switches.rotate_keys, methods=["POST"]),
    ]


class _Switches:
    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    async def webhooks(self, request: Request) -> Response:
        courier = self._controls.couriers.get(request.path_params["provider"])
        if courier is None:
            return _refused(404, "no such provider sends webhooks")
        if request.method == "POST":
            courier.plan = await _read(request, Plan)
        return JSONResponse(courier.status())

    async def faults(self, request: Request) -> Response:
        switch = self._controls.faults.get(request.path_params["provider"])
        if switch is None:
            return _refused(404, "no such provider")
        if request.method == "POST":
            switch.plan = await _read(request, FaultPlan)
        return JSONResponse({"plan": switch.plan.model_dump()})

    async def rotate_keys(self, request: Request) -> Response:
        """Clerk signs with a new key; `?retire_old=true` also makes the old tokens worthless."""
        if self._controls.keys is None:
            return _refused(404, "no keys here")
        key_id = self._controls.keys.rotate()
        if request.query_params.get("retire_old") == "true":
            self._controls.keys.retire_old()
        return JSONResponse({"kid": key_id})


M = TypeVar("M", bound=BaseModel)
Endpoint = Callable[[Request], Awaitable[Response]]


async def _read(request: Request, model: type[M]) -> M:
    return model.model_validate_json(await request.body() or b"{}")


def _explained(endpoint: Endpoint) -> Endpoint:
    async def explaining(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ValidationError as invalid:
            first = invalid.errors(include_url=False)[0]
            return _refused(422, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")

    return explaining


def _refused(status: int, reason: str) -> Response:
    return JSONResponse({"error": reason}, status)

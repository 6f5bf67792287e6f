"""The switches for tests: webhooks that go astray, providers that fail."""

from dataclasses import dataclass, field

from pydantic import ValidationError
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
    async def webhooks(request: Request) -> Response:
        courier = controls.couriers.get(request.path_params["provider"])
        if courier is None:
            return _refused(404, "no such provider sends webhooks")
        if request.method == "POST":
            try:
                courier.plan = Plan.model_validate_json(await request.body() or b"{}")
            except ValidationError as invalid:
                return _refused(422, _reason(invalid))
        return JSONResponse(courier.status())

    async def faults(request: Request) -> Response:
        switch = controls.faults.get(request.path_params["provider"])
        if switch is None:
            return _refused(404, "no such provider")
        if request.method == "POST":
            try:
                switch.plan = FaultPlan.model_validate_json(await request.body() or b"{}")
            except ValidationError as invalid:
                return _refused(422, _reason(invalid))
        return JSONResponse({"plan": switch.plan.model_dump()})

    async def rotate(request: Request) -> Response:
        if controls.keys is None:
            return _refused(404, "no keys here")
        key_id = controls.keys.rotate()
        if request.query_params.get("retire_old") == "true":
            controls.keys.retire_old()
        return JSONResponse({"kid": key_id})

    return [
        Route("/control/{provider}/webhooks", webhooks, methods=["GET", "POST"]),
        Route("/control/{provider}/faults", faults, methods=["GET", "POST"]),
        Route("/control/clerk/keys", rotate, methods=["POST"]),
    ]


def _refused(status: int, reason: str) -> Response:
    return JSONResponse({"error": reason}, status)


def _reason(invalid: ValidationError) -> str:
    first = invalid.errors(include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"

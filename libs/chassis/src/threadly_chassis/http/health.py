"""Whether a process lives, and whether it can work."""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

#: A check by name: returns when well, raises when not.
Checks = Mapping[str, Callable[[], Awaitable[None]]]


def health_router(service: str, release: str, checks: Checks) -> APIRouter:
    """Make the routes that probes and scrapers ask: `/health/live`, `/health/ready`, `/metrics`."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/health/live")
    async def live() -> dict[str, str]:
        return {"service": service, "release": release, "status": "alive"}

    @routes.get("/health/ready")
    async def ready() -> JSONResponse:
        faults: dict[str, str] = {}
        for name, check in checks.items():
            try:
                await check()
            except Exception as error:  # noqa: BLE001 - any failure means "not ready", and is shown by name only
                faults[name] = type(error).__name__
        status = {"service": service, "release": release, "status": "not ready" if faults else "ready"}
        return JSONResponse(status | ({"faults": faults} if faults else {}), 503 if faults else 200)

    @routes.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return routes

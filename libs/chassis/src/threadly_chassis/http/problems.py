"""The only place where an error becomes an HTTP answer (RFC 9457 problem details)."""

from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from .. import errors
from ..context import current_action
from ..db import is_contention
from ..observability.errors import capture
from ..observability.logging import get_logger
from ..observability.metrics import ERRORS

_log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

_STATUS: tuple[tuple[type[errors.ThreadlyError], int], ...] = (
    (errors.Invalid, 422),
    (errors.Unauthenticated, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.PreconditionFailed, 412),
    (errors.PreconditionRequired, 428),
    (errors.TooManyRequests, 429),
    (errors.Unavailable, 503),
    (errors.TooLarge, 413),
)
_HTTP_CODES = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


def status_of(error: errors.ThreadlyError) -> int:
    """The status of an error's kind; 500 for a kind that is no user's business."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem(
    status: int,
    code: str,
    title: str,
    detail: str = "",
    *,
    headers: dict[str, str] | None = None,
    **extras: Any,
) -> JSONResponse:
    """Build a problem document; `type` is stable and part of the API."""
    body: dict[str, Any] = {
        "type": f"urn:threadly:problem:{code}",
        "code": code,
        "title": title,
        "status": status,
    }
    if detail:
        body["detail"] = detail
    body["request_id"] = current_action().request_id
    return JSONResponse(body | extras, status, headers, MEDIA_TYPE)


def _of_threadly(_: Request, error: errors.ThreadlyError) -> JSONResponse:
    status = status_of(error)
    if status == 500:  # noqa: PLR2004 - the status itself
        return _of_system(error)
    ERRORS.labels("user", error.code).inc()
    return _told(error, status)


def _told(error: errors.ThreadlyError, status: int) -> JSONResponse:
    headers: dict[str, str] = {}
    extras = dict(error.extras)
    if isinstance(error, errors.Later):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return problem(status, error.code, error.title, error.detail, headers=headers, **extras)


def _of_validation(_: Request, error: RequestValidationError) -> JSONResponse:
    # The rejected input is left out: it may hold what must not be echoed, or what JSON cannot carry (E058).
    faults = [
        {
            "field": ".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0]),
            "message": fault["msg"],
        }
        for fault in error.errors()
    ]
    ERRORS.labels("user", "invalid").inc()
    return problem(
        422, "invalid", errors.Invalid.title, faults[0]["message"] if faults else "", errors=faults
    )


def _of_http(_: Request, error: HTTPException) -> JSONResponse:
    code = _HTTP_CODES.get(error.status_code, "http_error")
    headers = dict(error.headers) if error.headers else None
    return problem(error.status_code, code, str(error.detail), headers=headers)


def _of_database(_: Request, error: DBAPIError) -> JSONResponse:
    if isinstance(error.orig, psycopg.OperationalError) and error.orig.sqlstate is None:
        # No SQLSTATE: PostgreSQL could not be reached or the connection broke. It comes back by itself.
        capture(error, kind="http")
        away = errors.Unavailable("The service's database is away.", retry_after=2)
        return _told(away, status_of(away))
    if not is_contention(error):
        return _of_system(error)
    # Nobody's fault and nothing to mend, but many of them mean that two transactions lock in opposite orders.
    ERRORS.labels("contention", type(error.orig).__name__).inc()
    _log.warning("request undone by contention", error=str(error.orig))
    busy = errors.Busy("Nothing was changed. Please send it again.")
    return _told(busy, status_of(busy))


def _of_system(error: BaseException) -> JSONResponse:
    reference = capture(error, kind="http")
    return problem(
        500,
        "internal_error",
        "Something went wrong on our side",
        "It has been reported. Please try again in a moment.",
        reference=reference,
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of `app` a problem document; what is unforeseen is answered by `UnforeseenErrors`."""
    app.add_exception_handler(errors.ThreadlyError, _of_threadly)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _of_validation)  # type: ignore[arg-type]
    app.add_exception_handler(DBAPIError, _of_database)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _of_http)  # type: ignore[arg-type]


def unforeseen(error: BaseException) -> JSONResponse:
    """The answer to an error that nobody foresaw: generic, with the id that finds it (R-OBS-03)."""
    return _of_system(error)

"""Structured logs: one JSON object a line, with the ids of the action under way."""

import logging
import sys
from typing import Any

import structlog
from opentelemetry import trace

from ..context import current_action

#: Parts of field names whose values never reach a log (architecture §7).
_SECRET_PARTS = ("token", "secret", "password", "authorization", "cookie", "client_secret", "card", "email")


def _with_ids(_: Any, __: str, record: structlog.types.EventDict) -> structlog.types.EventDict:
    action = current_action()
    for name, value in (
        ("request_id", action.request_id),
        ("correlation_id", action.correlation_id),
        ("causation_id", action.causation_id),
        ("user_id", action.user_id),
    ):
        if value:
            record.setdefault(name, value)
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        record.setdefault("trace_id", f"{span.trace_id:032x}")
    return record


def mask_secrets(_: Any, __: str, record: structlog.types.EventDict) -> structlog.types.EventDict:
    """Replace the values of fields that are named like secrets or personal data."""
    for name in record:
        if any(part in name.lower() for part in _SECRET_PARTS):
            record[name] = "***"
    return record


def configure_logging(service: str, level: str = "INFO") -> None:
    """Send this process's logs, the libraries' included, to standard output as JSON lines."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _with_ids,
        mask_secrets,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                lambda _, __, record: {"service": service, **record},
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for noisy in ("httpx", "httpcore", "aiormq", "aio_pika", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger

"""Everything HTTP: the application factory, problems, identity, idempotency, health."""

from .app import create_app
from .cursors import Cursors
from .identity import CurrentPrincipal, OperatorPrincipal, OptionalPrincipal, Principal
from .routes import CurrentTransaction, router
from .schemas import MoneyView, Page, RequestModel, ResponseModel
from .server import run_http

__all__ = [
    "CurrentPrincipal",
    "CurrentTransaction",
    "Cursors",
    "MoneyView",
    "OperatorPrincipal",
    "OptionalPrincipal",
    "Page",
    "Principal",
    "RequestModel",
    "ResponseModel",
    "create_app",
    "router",
    "run_http",
]

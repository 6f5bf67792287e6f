"""Errors in Clerk's shape: `{"errors": [{"message", "long_message", "code", "meta"?}], "clerk_trace_id"}`."""

import secrets
from typing import Any


class ClerkError(Exception):
    def __init__(
        self, status: int, code: str, message: str, *, long_message: str = "", param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.long_message = long_message or message
        self.param = param

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {
            "message": self.message,
            "long_message": self.long_message,
            "code": self.code,
        }
        if self.param is not None:
            error["meta"] = {"param_name": self.param}
        return {"errors": [error], "clerk_trace_id": secrets.token_hex(16)}


def not_found(what: str, resource_id: str) -> ClerkError:
    return ClerkError(
        404, "resource_not_found", "not found", long_message=f"No {what} was found with id {resource_id}"
    )

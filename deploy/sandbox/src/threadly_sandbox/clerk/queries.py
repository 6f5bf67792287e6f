"""Finding users: the filters and orders of Clerk's list."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..documents import Json


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Many = Annotated[list[str], BeforeValidator(_one_or_many)]


class UserQuery(BaseModel):
    """The filters of the list; several filters are all applied."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(10, ge=1, le=500)
    offset: int = Field(0, ge=0)
    order_by: str = Field(
        "-created_at",
        pattern=r"^[+-]?(created_at|updated_at|first_name|last_name|username|last_active_at|last_sign_in_at)$",
    )
    email_address: Many | None = None
    user_id: Many | None = None
    external_id: Many | None = None
    username: Many | None = None
    query: str | None = None
    banned: bool | None = None
    created_at_after: int | None = None
    created_at_before: int | None = None
    last_active_at_after: int | None = None
    last_active_at_before: int | None = None


def matches(user: Json, query: UserQuery) -> bool:
    addresses = {each["email_address"].lower() for each in user["email_addresses"]}
    checks: list[tuple[object, Callable[[], bool]]] = [
        (query.email_address, lambda: bool(addresses & {each.lower() for each in query.email_address or []})),
        (query.user_id, lambda: user["id"] in (query.user_id or [])),
        (query.external_id, lambda: user["external_id"] in (query.external_id or [])),
        (query.username, lambda: user["username"] in (query.username or [])),
        (query.banned, lambda: user["banned"] == query.banned),
        (query.query, lambda: _contains(user, addresses, query.query or "")),
        (query.created_at_after, lambda: user["created_at"] > (query.created_at_after or 0)),
        (query.created_at_before, lambda: user["created_at"] < (query.created_at_before or 0)),
        (
            query.last_active_at_after,
            lambda: (user["last_active_at"] or 0) > (query.last_active_at_after or 0),
        ),
        (
            query.last_active_at_before,
            lambda: (user["last_active_at"] or 0) < (query.last_active_at_before or 0),
        ),
    ]
    return all(check() for wanted, check in checks if wanted is not None)


def _contains(user: Json, addresses: set[str], text: str) -> bool:
    names = f"{user['first_name'] or ''} {user['last_name'] or ''}", user["username"] or "", user["id"]
    return any(text.lower() in each.lower() for each in (*names, *addresses))

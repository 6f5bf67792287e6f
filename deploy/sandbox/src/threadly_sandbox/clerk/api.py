"""The calls of Clerk's backend API."""

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..documents import Json
from .errors import ClerkError
from .instance import Instance
from .queries import UserQuery
from .records import CreateUser, UpdateUser
from .sessions import TOKEN_LIFETIME

M = TypeVar("M", bound=BaseModel)


class CreateSession(BaseModel):
    model_config = ConfigDict(extra="forbid")

    user_id: str
    active_organization_id: str | None = None


class CreateToken(BaseModel):
    model_config = ConfigDict(extra="forbid")

    expires_in_seconds: int | None = Field(None, ge=1, le=315_360_000)


class CreateEmail(BaseModel):
    model_config = ConfigDict(extra="forbid")

    user_id: str
    email_address: str
    verified: bool | None = None
    primary: bool | None = None
    notify_primary_email_address_changed: bool = False


class SessionQuery(BaseModel):
    client_id: str | None = None
    user_id: str | None = None
    status: str | None = None
    limit: int = Field(10, ge=1, le=500)
    offset: int = Field(0, ge=0)
    paginated: bool | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request: path parameters, query and JSON body."""

    instance: Instance
    path: dict[str, str]
    query: dict[str, Any]
    body: Any

    @property
    def id(self) -> str:
        return self.path["id"]

    def read(self, model: type[M]) -> M:
        return _validated(model, self.body)

    def filters(self, model: type[M]) -> M:
        return _validated(model, self.query)


def list_users(call: Call) -> list[Json]:
    query = call.filters(UserQuery)
    return call.instance.users.find(query)[query.offset : query.offset + query.limit]


def count_users(call: Call) -> Json:
    return {"object": "total_count", "total_count": len(call.instance.users.find(call.filters(UserQuery)))}


def create_user(call: Call) -> Json:
    return call.instance.users.create(call.read(CreateUser))


def get_user(call: Call) -> Json:
    return call.instance.users.load(call.id)


def update_user(call: Call) -> Json:
    return call.instance.users.update(call.id, call.read(UpdateUser))


def merge_metadata(call: Call) -> Json:
    return call.instance.users.merge_metadata(call.id, call.read(UpdateUser))


def delete_user(call: Call) -> Json:
    call.instance.sessions.end_all(call.id)
    return call.instance.users.delete(call.id)


def ban_user(call: Call) -> Json:
    user = call.instance.users.set_flag(call.id, "banned", value=True)
    call.instance.sessions.end_all(call.id)
    return user


def unban_user(call: Call) -> Json:
    return call.instance.users.set_flag(call.id, "banned", value=False)


def lock_user(call: Call) -> Json:
    return call.instance.users.set_flag(call.id, "locked", value=True)


def unlock_user(call: Call) -> Json:
    return call.instance.users.set_flag(call.id, "locked", value=False)


def create_email(call: Call) -> Json:
    wanted = call.read(CreateEmail)
    return call.instance.users.add_email(
        wanted.user_id, wanted.email_address, primary=wanted.primary or False
    )


def create_session(call: Call) -> Json:
    return call.instance.sessions.create(call.read(CreateSession).user_id)


def list_sessions(call: Call) -> list[Json]:
    query = call.filters(SessionQuery)
    found = call.instance.sessions.find(query.user_id, query.status)
    return found[query.offset : query.offset + query.limit]


def get_session(call: Call) -> Json:
    return call.instance.sessions.load(call.id)


def revoke_session(call: Call) -> Json:
    return call.instance.sessions.revoke(call.id)


def create_token(call: Call) -> Json:
    lifetime = call.read(CreateToken).expires_in_seconds or TOKEN_LIFETIME
    return {"object": "token", "jwt": call.instance.sessions.token(call.id, lifetime)}


def get_key_set(call: Call) -> Json:
    return call.instance.keys.key_set()


def _validated(model: type[M], values: Any) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as invalid:
        problem = invalid.errors(include_url=False)[0]
        name = str(problem["loc"][0]) if problem["loc"] else ""
        code, message = _EXPLAINED.get(problem["type"], ("form_param_value_invalid", problem["msg"]))
        raise ClerkError(422, code, message, param=name) from None


_EXPLAINED = {
    "extra_forbidden": ("form_param_unknown", "is unknown"),
    "missing": ("form_param_missing", "must be included"),
}

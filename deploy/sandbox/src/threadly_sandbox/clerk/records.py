"""What a user is: the record Clerk answers with, and what may be written into it."""

import copy
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ..documents import Json
from .ids import new_id, now_ms


class WriteUser(BaseModel):
    """What create and update take. `image_url` is the sandbox's own: Clerk takes the picture as an upload."""

    model_config = ConfigDict(extra="forbid")

    external_id: str | None = None
    first_name: str | None = Field(None, max_length=256)
    last_name: str | None = Field(None, max_length=256)
    username: str | None = None
    image_url: str | None = None
    locale: str | None = None
    public_metadata: dict[str, Any] | None = None
    private_metadata: dict[str, Any] | None = None
    unsafe_metadata: dict[str, Any] | None = None
    delete_self_enabled: bool | None = None
    create_organization_enabled: bool | None = None
    password: str | None = Field(None, min_length=8)
    skip_password_checks: bool | None = None
    bypass_client_trust: bool | None = None


class CreateUser(WriteUser):
    email_address: list[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]] = Field(
        min_length=1
    )
    skip_password_requirement: bool | None = None


class UpdateUser(WriteUser):
    primary_email_address_id: str | None = None
    notify_primary_email_address_changed: bool = False


_BLANK: Json = {
    "object": "user",
    "external_id": None,
    "primary_phone_number_id": None,
    "primary_web3_wallet_id": None,
    "username": None,
    "first_name": None,
    "last_name": None,
    "locale": None,
    "has_image": False,
    "image_url": "",
    "profile_image_url": "",
    "public_metadata": {},
    "private_metadata": {},
    "unsafe_metadata": {},
    "phone_numbers": [],
    "web3_wallets": [],
    "passkeys": [],
    "password_enabled": False,
    "password_last_updated_at": None,
    "two_factor_enabled": False,
    "totp_enabled": False,
    "backup_code_enabled": False,
    "mfa_enabled_at": None,
    "mfa_disabled_at": None,
    "external_accounts": [],
    "saml_accounts": [],
    "enterprise_accounts": [],
    "last_sign_in_at": None,
    "last_active_at": None,
    "banned": False,
    "locked": False,
    "lockout_expires_in_seconds": None,
    "verification_attempts_remaining": 100,
    "delete_self_enabled": True,
    "create_organization_enabled": False,
    "create_organizations_limit": None,
    "legal_accepted_at": None,
    "bypass_client_trust": False,
}
"""All the keys of a user, nullable or not: the SDK refuses a user that lacks one."""


def new_user(addresses: list[str]) -> Json:
    emails = [new_email(address) for address in addresses]
    return copy.deepcopy(_BLANK) | {
        "id": new_id("user"),
        "email_addresses": emails,
        "primary_email_address_id": emails[0]["id"],
        "created_at": now_ms(),
        "updated_at": now_ms(),
    }


def new_email(address: str) -> Json:
    return {
        "id": new_id("idn"),
        "object": "email_address",
        "email_address": address,
        "reserved": False,
        "verification": {
            "object": "verification_admin",
            "status": "verified",
            "strategy": "admin",
            "attempts": None,
            "expire_at": None,
        },
        "linked_to": [],
        "matches_sso_connection": False,
        "created_at": now_ms(),
        "updated_at": now_ms(),
    }


def apply_to(user: Json, wanted: WriteUser) -> None:
    given = wanted.model_dump(exclude_unset=True, exclude={"primary_email_address_id"})
    user |= {name: value for name, value in given.items() if name in user}
    if wanted.password is not None:
        user |= {"password_enabled": True, "password_last_updated_at": now_ms()}
    user["profile_image_url"] = user["image_url"]
    user["has_image"] = bool(user["image_url"])


def merged(stored: Json, change: Json) -> Json:
    result = dict(stored)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result
